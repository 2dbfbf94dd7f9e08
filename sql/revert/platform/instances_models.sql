-- Revert pg-tenancy:platform/instances_models from pg

\set stays platform/models_workspaces
\ir ../../adoption/release.psql
