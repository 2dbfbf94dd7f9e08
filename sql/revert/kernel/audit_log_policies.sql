-- Revert pg-tenancy:kernel/audit_log_policies from pg

\set change kernel/audit_log_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.audit_log');

-- Closed again, as the change audit_log left it.
CALL tenancy.unprotect('tenancy.audit_log');

\ir ../../notes/done.psql
COMMIT;
