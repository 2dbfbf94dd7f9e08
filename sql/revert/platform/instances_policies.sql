-- Revert pg-tenancy:platform/instances_policies from pg

-- With what has begun since and is not done.
\set stays platform/instances_workspaces
\ir ../../adoption/release.psql

BEGIN;

CALL tenancy_private.revise('public.instances', 'tenancy.instance_transitions');

CALL tenancy.unprotect('public.instances');

-- As instances_functions left it.
CALL tenancy.unprotect('tenancy.instance_transitions');

COMMIT;
