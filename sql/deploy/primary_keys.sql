-- Deploy pg-tenancy:primary_keys to pg

BEGIN;

COMMIT;
