-- Revert pg-tenancy:kernel/workspaces_policies from pg

\set change kernel/workspaces_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.workspaces');

REVOKE SELECT, DELETE ON tenancy.workspaces FROM tenancy_writer;

-- Closed again, as the change workspaces left it.
CALL tenancy.unprotect('tenancy.workspaces');

\ir ../../notes/done.psql
COMMIT;
