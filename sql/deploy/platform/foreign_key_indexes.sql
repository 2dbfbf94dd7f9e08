-- Deploy pg-tenancy:platform/foreign_key_indexes to pg
-- requires: platform/primary_keys

\set change platform/foreign_key_indexes
\ir ../../adoption/begin_deploy.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part platform
\ir ../../adoption/deploy_foreign_key_indexes.psql

\ir ../../adoption/note_done.psql
