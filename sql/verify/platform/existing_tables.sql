-- Verify pg-tenancy:platform/existing_tables on pg

\ir ../../notes/no_timeouts.psql

\set part all
\ir ../../adoption/verify_existing_tables.psql
