-- Revert pg-tenancy:api_keys_workspaces from pg

\ir ../adoption/patiently.psql
\ir ../adoption/tenant_table.psql
\ir ../adoption/remove_api_keys_workspaces.psql

CALL tenancy_private.drop_legacy_logins(ARRAY['public.api_keys']::regclass[]);
CALL tenancy_private.revoke_from_owner('public.api_keys');
