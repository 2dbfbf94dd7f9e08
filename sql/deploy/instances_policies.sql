-- Deploy pg-tenancy:instances_policies to pg
-- requires: instances_functions
-- requires: audit_log

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.instances']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../policies/instances.r1.sql

COMMIT;
