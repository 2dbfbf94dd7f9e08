-- Verify pg-tenancy:platform/primary_keys on pg

\ir ../../notes/no_timeouts.psql

\set part platform
\ir ../../adoption/verify_primary_keys.psql
