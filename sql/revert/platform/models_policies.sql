-- Revert pg-tenancy:platform/models_policies from pg

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.models']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy.unprotect('public.models');

COMMIT;
