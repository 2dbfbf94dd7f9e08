-- Verify pg-tenancy:platform/primary_keys on pg

\set part platform
\ir ../../adoption/verify_primary_keys.psql
