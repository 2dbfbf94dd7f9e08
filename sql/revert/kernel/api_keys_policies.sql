-- Revert pg-tenancy:kernel/api_keys_policies from pg

-- With what has begun since and is not done.
\set stays kernel/api_keys_workspaces
\ir ../../adoption/release.psql

BEGIN;

CALL tenancy_private.revise('public.api_keys');

DROP TRIGGER api_keys_name ON public.api_keys;
DROP TRIGGER api_keys_permission_after ON public.api_keys;
CALL tenancy_private.forget_triggers(
    'public.api_keys',
    'api_keys_name',
    'api_keys_permission_after'
);
CALL tenancy.unprotect('public.api_keys');

COMMIT;
