-- Deploy pg-tenancy:instances_policies to pg
-- requires: instances_functions
-- requires: audit_log

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.instances']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy_private.close_table('public.instances', 'workspace_id');
\ir ../policies/instances.r1.sql

CREATE TRIGGER instances_permission
BEFORE INSERT OR UPDATE ON public.instances
FOR EACH STATEMENT EXECUTE FUNCTION
tenancy.check_permission('instances.create', 'instances.update', 'instances.terminate');

CALL tenancy_private.record_triggers('public.instances', 'instances_permission');

COMMIT;
