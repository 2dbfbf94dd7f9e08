-- Verify pg-tenancy:kernel/existing_tables on pg

\set part kernel
\ir ../../adoption/verify_existing_tables.psql
