-- Revert pg-tenancy:kernel/api_keys_policies from pg

\set change kernel/api_keys_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.api_keys');

DROP TRIGGER api_keys_tenancy_name ON public.api_keys;
DROP TRIGGER api_keys_tenancy_permission_after ON public.api_keys;
CALL tenancy_private.forget_triggers(
    'public.api_keys',
    'api_keys_tenancy_name',
    'api_keys_tenancy_permission_after'
);
CALL tenancy.unprotect('public.api_keys');

\ir ../../notes/done.psql
COMMIT;
