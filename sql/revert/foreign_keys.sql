-- Revert pg-tenancy:foreign_keys from pg

BEGIN;

COMMIT;
