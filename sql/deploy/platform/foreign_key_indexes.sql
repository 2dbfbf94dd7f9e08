-- Deploy pg-tenancy:platform/foreign_key_indexes to pg
-- requires: platform/primary_keys

\set part platform
\ir ../../adoption/deploy_foreign_key_indexes.psql
