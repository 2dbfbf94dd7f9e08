-- Verify pg-tenancy:kernel/foreign_key_indexes on pg

\ir ../../notes/no_timeouts.psql

\set part kernel
\ir ../../adoption/verify_foreign_key_indexes.psql
