-- Deploy pg-tenancy:platform/models_policies to pg
-- requires: platform/instances_models
-- requires: kernel/audit_log

BEGIN;

CALL tenancy_private.revise('public.models');

\ir ../../policies/models.r1.sql

COMMIT;
