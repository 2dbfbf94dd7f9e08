-- Verify pg-tenancy:kernel/primary_keys on pg

\ir ../../notes/no_timeouts.psql

\set part kernel
\ir ../../adoption/verify_primary_keys.psql
