-- Verify pg-tenancy:kernel/workspace_plans_backfill on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    adopted record;
    differing bigint;
BEGIN
    FOR adopted IN
        SELECT t.name, c.plan
        FROM unnest(ARRAY['public.users', 'public.organizations']::regclass[]) AS t (name)
        CROSS JOIN LATERAL tenancy_private.plan_columns(t.name) AS c
        WHERE c.plan IS NOT NULL
    LOOP
        EXECUTE format(
            'SELECT count(*) FROM tenancy.workspaces AS w INNER JOIN %s AS a ON w.id = a.id '
            'WHERE w.plan <> tenancy_private.known_plan(a.%I::text)', adopted.name, adopted.plan
        ) INTO differing;
        IF differing > 0 THEN
            RAISE EXCEPTION '% rows of % have another plan than their workspaces', differing, adopted.name;
        END IF;
    END LOOP;
END;
$$;

ROLLBACK;
