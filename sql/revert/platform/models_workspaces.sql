-- Revert pg-tenancy:platform/models_workspaces from pg

\ir ../../adoption/patiently.psql
\ir ../../adoption/tenant_table.psql
\ir ../../adoption/remove_models_workspaces.psql
