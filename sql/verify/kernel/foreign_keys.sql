-- Verify pg-tenancy:kernel/foreign_keys on pg

\set part kernel
\ir ../../adoption/verify_foreign_keys.psql
