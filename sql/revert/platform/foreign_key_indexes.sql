-- Revert pg-tenancy:platform/foreign_key_indexes from pg

\set part platform
\ir ../../adoption/revert_foreign_key_indexes.psql
