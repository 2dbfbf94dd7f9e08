-- Deploy pg-tenancy:platform/instances_policies to pg
-- requires: platform/instances_functions
-- requires: kernel/audit_log

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.instances']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/instances.r1.sql

COMMIT;
