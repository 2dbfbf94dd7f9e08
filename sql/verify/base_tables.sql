-- Verify pg-tenancy:base_tables on pg

BEGIN;

COMMIT;
