-- Verify pg-tenancy:platform/foreign_keys on pg

\set part platform
\ir ../../adoption/verify_foreign_keys.psql
