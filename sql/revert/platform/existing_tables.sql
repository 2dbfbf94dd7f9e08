-- Revert pg-tenancy:platform/existing_tables from pg

-- The change makes nothing, so there is nothing to take back.
BEGIN;

COMMIT;
