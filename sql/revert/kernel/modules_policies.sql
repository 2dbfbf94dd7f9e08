-- Revert pg-tenancy:kernel/modules_policies from pg

\set change kernel/modules_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.modules');

-- Closed again, as the change modules left it.
CALL tenancy.unprotect('tenancy.modules');

\ir ../../notes/done.psql
COMMIT;
