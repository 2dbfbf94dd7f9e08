-- Deploy pg-tenancy:kernel/primary_keys to pg
-- requires: kernel/base_tables

\set change kernel/primary_keys
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part kernel
\ir ../../adoption/deploy_primary_keys.psql

\ir ../../notes/done.psql
