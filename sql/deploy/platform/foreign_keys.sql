-- Deploy pg-tenancy:platform/foreign_keys to pg
-- requires: platform/foreign_key_indexes

\set change platform/foreign_keys
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part platform
\ir ../../adoption/deploy_foreign_keys.psql

\ir ../../notes/done.psql
