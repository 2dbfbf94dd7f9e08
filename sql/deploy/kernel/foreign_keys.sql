-- Deploy pg-tenancy:kernel/foreign_keys to pg
-- requires: kernel/foreign_key_indexes

\set change kernel/foreign_keys
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part kernel
\ir ../../adoption/deploy_foreign_keys.psql

\ir ../../notes/done.psql
