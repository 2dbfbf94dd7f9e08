-- Revert pg-tenancy:platform/existing_tables from pg

\set change platform/existing_tables
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

-- The change creates nothing, so there is nothing to remove.
BEGIN;

COMMIT;
