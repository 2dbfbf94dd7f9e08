-- Revert pg-tenancy:kernel/workspace_names from pg

\set change kernel/workspace_names
\ir ../../adoption/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.badge(uuid);
DROP FUNCTION tenancy.current_workspace();

\ir ../../adoption/note_done.psql
COMMIT;
