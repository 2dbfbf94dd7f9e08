-- Deploy pg-tenancy:kernel/foreign_keys to pg
-- requires: kernel/foreign_key_indexes

\set part kernel
\ir ../../adoption/deploy_foreign_keys.psql
