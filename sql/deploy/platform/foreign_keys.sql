-- Deploy pg-tenancy:platform/foreign_keys to pg
-- requires: platform/foreign_key_indexes

\set change platform/foreign_keys
\ir ../../adoption/begin_deploy.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part platform
\ir ../../adoption/deploy_foreign_keys.psql

\ir ../../adoption/note_done.psql
