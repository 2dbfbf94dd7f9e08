-- Deploy pg-tenancy:kernel/primary_keys to pg
-- requires: kernel/base_tables

\set part kernel
\ir ../../adoption/deploy_primary_keys.psql
