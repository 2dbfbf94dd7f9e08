-- Verify pg-tenancy:foreign_keys on pg

BEGIN;

COMMIT;
