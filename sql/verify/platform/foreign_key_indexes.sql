-- Verify pg-tenancy:platform/foreign_key_indexes on pg

\ir ../../notes/no_timeouts.psql

\set part platform
\ir ../../adoption/verify_foreign_key_indexes.psql
