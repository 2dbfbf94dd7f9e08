-- Deploy pg-tenancy:platform/primary_keys to pg
-- requires: platform/base_tables

\set change platform/primary_keys
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part platform
\ir ../../adoption/deploy_primary_keys.psql

\ir ../../notes/done.psql
