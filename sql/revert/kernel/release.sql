-- Revert pg-tenancy:kernel/release from pg

\set change kernel/release
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.release_table(regclass, name);
DROP FUNCTION tenancy_private.in_the_way_of_release(regclass);
DROP PROCEDURE tenancy_private.return_workspaces(regclass);
DROP PROCEDURE tenancy_private.keep_workspaces_of(regclass, name);

\ir ../../notes/done.psql
COMMIT;
