-- Revert pg-tenancy:platform/instances_workspaces from pg

\ir ../../adoption/patiently.psql
\ir ../../adoption/tenant_table.psql
\ir ../../adoption/remove_instances_workspaces.psql
