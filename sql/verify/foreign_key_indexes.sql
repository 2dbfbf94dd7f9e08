-- Verify pg-tenancy:foreign_key_indexes on pg

BEGIN;

COMMIT;
