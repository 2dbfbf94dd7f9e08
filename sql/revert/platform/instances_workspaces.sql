-- Revert pg-tenancy:platform/instances_workspaces from pg

\set stays kernel/api_keys_workspaces
\ir ../../adoption/release.psql
