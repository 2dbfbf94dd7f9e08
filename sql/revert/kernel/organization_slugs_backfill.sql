-- Revert pg-tenancy:kernel/organization_slugs_backfill from pg

-- Nothing to do: the rows go with their table, in the revert of organization_slugs.
BEGIN;

COMMIT;
