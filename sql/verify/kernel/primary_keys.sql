-- Verify pg-tenancy:kernel/primary_keys on pg

\set part kernel
\ir ../../adoption/verify_primary_keys.psql
