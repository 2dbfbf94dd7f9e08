-- Revert pg-tenancy:models_policies from pg

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.models']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER models_permission ON public.models;
CALL tenancy_private.forget_triggers('public.models', 'models_permission');
CALL tenancy_private.reopen_table('public.models');

COMMIT;
