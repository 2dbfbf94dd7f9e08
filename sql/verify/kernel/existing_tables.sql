-- Verify pg-tenancy:kernel/existing_tables on pg

\ir ../../notes/no_timeouts.psql

\set part kernel
\ir ../../adoption/verify_existing_tables.psql
