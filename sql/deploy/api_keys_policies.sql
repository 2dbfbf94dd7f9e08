-- Deploy pg-tenancy:api_keys_policies to pg
-- requires: api_keys_functions

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.api_keys']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy_private.close_table('public.api_keys', 'workspace_id');
\ir ../policies/api_keys.r1.sql

CREATE TRIGGER api_keys_permission
BEFORE UPDATE ON public.api_keys
FOR EACH STATEMENT EXECUTE FUNCTION
tenancy.check_permission('api_keys.create', 'api_keys.update', 'api_keys.revoke', 'person');

COMMIT;
