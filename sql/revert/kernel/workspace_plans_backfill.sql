-- Revert pg-tenancy:kernel/workspace_plans_backfill from pg

\set change kernel/workspace_plans_backfill
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

-- The application's columns have all values.
\ir ../../notes/done.psql
COMMIT;
