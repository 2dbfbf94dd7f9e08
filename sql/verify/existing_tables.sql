-- Verify pg-tenancy:existing_tables on pg

BEGIN;

COMMIT;
