-- Deploy pg-tenancy:foreign_keys to pg

BEGIN;

COMMIT;
