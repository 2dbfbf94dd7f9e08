-- Deploy pg-tenancy:kernel/primary_keys to pg
-- requires: kernel/base_tables

\set change kernel/primary_keys
\ir ../../adoption/begin_deploy.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part kernel
\ir ../../adoption/deploy_primary_keys.psql

\ir ../../adoption/note_done.psql
