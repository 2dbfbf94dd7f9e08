-- Verify pg-tenancy:kernel/foreign_key_indexes on pg

\set part kernel
\ir ../../adoption/verify_foreign_key_indexes.psql
