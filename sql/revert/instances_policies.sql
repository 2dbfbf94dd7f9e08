-- Revert pg-tenancy:instances_policies from pg

-- The change that comes next in the plan may have failed halfway, and then
-- nothing but this script takes it back.
\ir ../adoption/patiently.psql
\ir ../adoption/tenant_table.psql
\ir ../adoption/remove_models_workspaces.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['public.instances']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER instances_permission ON public.instances;
CALL tenancy_private.reopen_table('public.instances');

-- As instances_functions left it.
REVOKE ALL ON tenancy.instance_transitions
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CALL tenancy.drop_policies('tenancy.instance_transitions');
CREATE POLICY instance_transitions_owner ON tenancy.instance_transitions
FOR ALL TO tenancy_owner USING (true) WITH CHECK (true);

COMMIT;
