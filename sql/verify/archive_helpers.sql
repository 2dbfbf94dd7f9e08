-- Verify pg-tenancy:archive_helpers on pg

BEGIN;

CALL tenancy_private.verify_routine('tenancy_private.archive_table(regclass)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.drop_archived(name)', '{}');

ROLLBACK;
