-- Verify pg-tenancy:kernel/foreign_keys on pg

\ir ../../notes/no_timeouts.psql

\set part kernel
\ir ../../adoption/verify_foreign_keys.psql
