-- Revert pg-tenancy:kernel/archive_helpers from pg

\set change kernel/archive_helpers
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.drop_archived(name);
DROP PROCEDURE tenancy_private.archive_table(regclass);

\ir ../../notes/done.psql
COMMIT;
