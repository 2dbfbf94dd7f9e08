-- Deploy pg-tenancy:existing_tables to pg

BEGIN;

COMMIT;
