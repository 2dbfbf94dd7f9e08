-- Revert pg-tenancy:platform/models_policies from pg

BEGIN;

CALL tenancy_private.revise('public.models');

CALL tenancy.unprotect('public.models');

COMMIT;
