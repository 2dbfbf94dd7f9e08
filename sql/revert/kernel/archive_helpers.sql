-- Revert pg-tenancy:kernel/archive_helpers from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.drop_archived(name);
DROP PROCEDURE tenancy_private.archive_table(regclass);

COMMIT;
