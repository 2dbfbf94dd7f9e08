-- Deploy pg-tenancy:platform/instances_policies to pg
-- requires: platform/instances_functions
-- requires: kernel/audit_log

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.instances']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/instances.r1.sql

COMMIT;
