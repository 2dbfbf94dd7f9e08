-- Revert pg-tenancy:models_workspaces from pg

\ir ../adoption/patiently.psql
\ir ../adoption/tenant_table.psql
\ir ../adoption/remove_models_workspaces.psql

CALL tenancy_private.drop_legacy_logins(ARRAY['public.models']::regclass[]);
CALL tenancy_private.revoke_from_owner('public.organization_models');
CALL tenancy_private.revoke_from_owner('public.models');
