-- Revert pg-tenancy:platform/cost_rollups_backfill from pg

\set change platform/cost_rollups_backfill
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

-- The sums are dropped with their tables.
BEGIN;

\ir ../../notes/done.psql
COMMIT;
