-- Revert pg-tenancy:platform/primary_keys from pg

\set part platform
\ir ../../adoption/revert_primary_keys.psql
