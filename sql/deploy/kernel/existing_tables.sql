-- Deploy pg-tenancy:kernel/existing_tables to pg

\set part kernel
\ir ../../adoption/deploy_existing_tables.psql
