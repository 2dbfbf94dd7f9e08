-- Deploy pg-tenancy:platform/models_policies to pg
-- requires: platform/instances_models
-- requires: kernel/audit_log

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.models']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/models.r1.sql

COMMIT;
