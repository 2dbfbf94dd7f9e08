-- Deploy pg-tenancy:platform/cost_rollups_backfill to pg
-- requires: platform/finops_policies

\set change platform/cost_rollups_backfill
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Not one transaction: the table stays in use, and after an interruption the next deploy
-- continues. A worker may call roll_up() at the same time. If writers keep this from
-- continuing, it ends and leaves the rest to the worker.
DO $$
BEGIN
    WHILE finops.roll_up() > 0 LOOP
        COMMIT;
    END LOOP;
END;
$$;

\ir ../../notes/done.psql
