-- Revert pg-tenancy:primary_keys from pg

BEGIN;

COMMIT;
