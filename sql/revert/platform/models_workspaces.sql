-- Revert pg-tenancy:platform/models_workspaces from pg

\set stays platform/instances_workspaces
\ir ../../adoption/release.psql
