-- Revert pg-tenancy:existing_tables from pg

BEGIN;

COMMIT;
