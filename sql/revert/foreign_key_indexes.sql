-- Revert pg-tenancy:foreign_key_indexes from pg

BEGIN;

COMMIT;
