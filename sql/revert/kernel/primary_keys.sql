-- Revert pg-tenancy:kernel/primary_keys from pg

\set part kernel
\ir ../../adoption/revert_primary_keys.psql
