-- Revert pg-tenancy:kernel/api_keys_workspaces from pg

\ir ../../adoption/patiently.psql
\ir ../../adoption/tenant_table.psql
\ir ../../adoption/remove_api_keys_workspaces.psql
