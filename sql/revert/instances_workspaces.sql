-- Revert pg-tenancy:instances_workspaces from pg

\ir ../adoption/patiently.psql
\ir ../adoption/tenant_table.psql
\ir ../adoption/remove_instances_workspaces.psql

CALL tenancy_private.drop_legacy_logins(ARRAY['public.instances']::regclass[]);
CALL tenancy_private.revoke_from_owner('public.instances');
