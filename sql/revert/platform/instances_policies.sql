-- Revert pg-tenancy:platform/instances_policies from pg

-- The change that comes next in the plan may have failed halfway, and then
-- nothing but this script takes it back.
\ir ../../adoption/patiently.psql
\ir ../../adoption/tenant_table.psql
\ir ../../adoption/remove_models_workspaces.psql

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.instances']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy.unprotect('public.instances');

-- As instances_functions left it.
CALL tenancy.unprotect('tenancy.instance_transitions');

COMMIT;
