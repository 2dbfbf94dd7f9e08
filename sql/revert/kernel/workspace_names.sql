-- Revert pg-tenancy:kernel/workspace_names from pg

\set change kernel/workspace_names
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.badge(uuid);
DROP FUNCTION tenancy.current_workspace();

\ir ../../notes/done.psql
COMMIT;
