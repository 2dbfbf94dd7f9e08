-- Revert pg-tenancy:kernel/foreign_keys from pg

\set part kernel
\ir ../../adoption/revert_foreign_keys.psql
