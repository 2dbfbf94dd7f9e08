-- Verify pg-tenancy:platform/foreign_key_indexes on pg

\set part platform
\ir ../../adoption/verify_foreign_key_indexes.psql
