-- Deploy pg-tenancy:platform/existing_tables to pg

\set part all
\ir ../../adoption/deploy_existing_tables.psql
