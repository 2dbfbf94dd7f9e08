-- Revert pg-tenancy:organization_slugs_backfill from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

-- The rows go with the table, in the revert of organization_slugs.
TRUNCATE tenancy_private.organization_slugs;

COMMIT;
