-- Deploy pg-tenancy:platform/cost_rollups_backfill to pg
-- requires: platform/finops_policies

\set change platform/cost_rollups_backfill
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Not one transaction: the table stays in use, and if the script is stopped anywhere,
-- the next deploy continues there. A worker that calls roll_up() at the same time
-- helps. It ends where writers keep it from going on: the worker does.
DO $$
BEGIN
    WHILE finops.roll_up() > 0 LOOP
        COMMIT;
    END LOOP;
END;
$$;

\ir ../../notes/done.psql
