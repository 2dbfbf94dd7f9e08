-- Revert pg-tenancy:kernel/organization_slugs_backfill from pg

\set change kernel/organization_slugs_backfill
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

-- Nothing to do: the rows are dropped with their table, in the revert of organization_slugs.
BEGIN;

\ir ../../notes/done.psql
COMMIT;
