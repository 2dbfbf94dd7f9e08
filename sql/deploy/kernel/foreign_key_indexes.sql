-- Deploy pg-tenancy:kernel/foreign_key_indexes to pg
-- requires: kernel/primary_keys

\set part kernel
\ir ../../adoption/deploy_foreign_key_indexes.psql
