-- Revert pg-tenancy:kernel/api_keys_workspaces from pg

\set stays ''
\ir ../../adoption/release.psql
