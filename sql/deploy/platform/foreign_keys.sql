-- Deploy pg-tenancy:platform/foreign_keys to pg
-- requires: platform/foreign_key_indexes

\set part platform
\ir ../../adoption/deploy_foreign_keys.psql
