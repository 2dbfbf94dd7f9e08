-- Verify pg-tenancy:platform/foreign_keys on pg

\ir ../../notes/no_timeouts.psql

\set part platform
\ir ../../adoption/verify_foreign_keys.psql
