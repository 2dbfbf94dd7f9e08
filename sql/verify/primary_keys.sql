-- Verify pg-tenancy:primary_keys on pg

BEGIN;

COMMIT;
