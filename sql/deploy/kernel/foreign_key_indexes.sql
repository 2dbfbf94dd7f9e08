-- Deploy pg-tenancy:kernel/foreign_key_indexes to pg
-- requires: kernel/primary_keys

\set change kernel/foreign_key_indexes
\ir ../../adoption/begin_deploy.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part kernel
\ir ../../adoption/deploy_foreign_key_indexes.psql

\ir ../../adoption/note_done.psql
