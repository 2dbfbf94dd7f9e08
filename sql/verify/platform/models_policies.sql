-- Verify pg-tenancy:platform/models_policies on pg

BEGIN;

CALL tenancy_private.verify_protected('public.models');

ROLLBACK;
