-- Deploy pg-tenancy:platform/primary_keys to pg
-- requires: platform/base_tables

\set change platform/primary_keys
\ir ../../adoption/begin_deploy.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part platform
\ir ../../adoption/deploy_primary_keys.psql

\ir ../../adoption/note_done.psql
