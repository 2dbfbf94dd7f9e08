-- Deploy pg-tenancy:platform/existing_tables to pg

\set change platform/existing_tables
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

\set part all
\ir ../../adoption/deploy_existing_tables.psql
