-- Deploy pg-tenancy:models_policies to pg
-- requires: instances_models
-- requires: audit_log

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.models']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy_private.close_table('public.models', 'workspace_id');
\ir ../policies/models.r1.sql

CREATE TRIGGER models_permission
BEFORE INSERT OR UPDATE OR DELETE ON public.models
FOR EACH STATEMENT EXECUTE FUNCTION
tenancy.check_permission('models.create', 'models.update', 'models.delete', 'platform');

CALL tenancy_private.record_triggers('public.models', 'models_permission');

COMMIT;
