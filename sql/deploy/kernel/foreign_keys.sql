-- Deploy pg-tenancy:kernel/foreign_keys to pg
-- requires: kernel/foreign_key_indexes

\set change kernel/foreign_keys
\ir ../../adoption/begin_deploy.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part kernel
\ir ../../adoption/deploy_foreign_keys.psql

\ir ../../adoption/note_done.psql
