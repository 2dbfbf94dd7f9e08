-- Revert pg-tenancy:kernel/workspaces_backfill from pg

\set change kernel/workspaces_backfill
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

BEGIN;

SET LOCAL lock_timeout = '2s';

-- The rows are dropped with the table, in the revert of workspaces. Values that
-- somebody chose are kept.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM tenancy.workspaces AS w
        WHERE w.kind <> 'platform'
            AND (w.plan <> 'free' OR w.deleted_at IS NOT NULL OR w.color <> tenancy_private.color_for(w.id))
    ) THEN
        CALL tenancy_private.archive_table('tenancy.workspaces');
    END IF;
END;
$$;

\ir ../../notes/done.psql
COMMIT;
