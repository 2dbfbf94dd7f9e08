-- Revert pg-tenancy:platform/foreign_keys from pg

\set part platform
\ir ../../adoption/revert_foreign_keys.psql
