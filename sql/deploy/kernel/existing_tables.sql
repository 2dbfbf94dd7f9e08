-- Deploy pg-tenancy:kernel/existing_tables to pg

\set change kernel/existing_tables
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

\set part kernel
\ir ../../adoption/deploy_existing_tables.psql
