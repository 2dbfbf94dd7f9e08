-- Deploy pg-tenancy:platform/primary_keys to pg
-- requires: platform/base_tables

\set part platform
\ir ../../adoption/deploy_primary_keys.psql
