-- Deploy pg-tenancy:platform/foreign_key_indexes to pg
-- requires: platform/primary_keys

\set change platform/foreign_key_indexes
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part platform
\ir ../../adoption/deploy_foreign_key_indexes.psql

\ir ../../notes/done.psql
