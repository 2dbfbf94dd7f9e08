-- Deploy pg-tenancy:kernel/foreign_key_indexes to pg
-- requires: kernel/primary_keys

\set change kernel/foreign_key_indexes
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part kernel
\ir ../../adoption/deploy_foreign_key_indexes.psql

\ir ../../notes/done.psql
