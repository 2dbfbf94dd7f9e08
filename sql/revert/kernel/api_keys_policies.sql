-- Revert pg-tenancy:kernel/api_keys_policies from pg

-- The change that comes next in the plan may have failed halfway, and then
-- nothing but this script takes it back.
\ir ../../adoption/patiently.psql
\ir ../../adoption/tenant_table.psql
\ir ../../adoption/remove_next_phase.psql

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.api_keys']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER api_keys_name ON public.api_keys;
DROP TRIGGER api_keys_permission_after ON public.api_keys;
CALL tenancy_private.forget_triggers(
    'public.api_keys',
    'api_keys_name',
    'api_keys_permission_after'
);
CALL tenancy.unprotect('public.api_keys');

COMMIT;
