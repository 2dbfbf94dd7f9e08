-- Revert pg-tenancy:kernel/foreign_key_indexes from pg

\set part kernel
\ir ../../adoption/revert_foreign_key_indexes.psql
