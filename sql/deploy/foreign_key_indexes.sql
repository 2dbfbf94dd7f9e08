-- Deploy pg-tenancy:foreign_key_indexes to pg

BEGIN;

COMMIT;
