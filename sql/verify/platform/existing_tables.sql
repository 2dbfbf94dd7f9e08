-- Verify pg-tenancy:platform/existing_tables on pg

\set part all
\ir ../../adoption/verify_existing_tables.psql
