-- Revert pg-tenancy:kernel/existing_tables from pg

-- The change makes nothing, so there is nothing to take back.
BEGIN;

COMMIT;
