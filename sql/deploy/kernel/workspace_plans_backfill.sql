-- Deploy pg-tenancy:kernel/workspace_plans_backfill to pg
-- requires: kernel/workspace_plans

\set change kernel/workspace_plans_backfill
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- The application's values, for workspaces that are older than the trigger; the color only if
-- there is one.
SELECT format(
    'CALL tenancy_private.in_batches(%L, %L, %L, %L, %L, %L)',
    :'change', 'plans of ' || t.name::text, 'tenancy.workspaces', t.name::text,
    format(
        'EXISTS (SELECT FROM %s AS a WHERE a.id = t.id AND (%s <> t.plan OR %s <> t.color))',
        t.name, p.plan, q.color
    ),
    format(
        'UPDATE tenancy.workspaces AS t SET plan = %s, color = %s '
        'FROM %s AS a WHERE a.id = t.id AND t.id = ANY($1)',
        p.plan, q.color, t.name
    )
)
FROM unnest(ARRAY['public.users', 'public.organizations']::regclass[]) AS t (name)
CROSS JOIN LATERAL tenancy_private.plan_columns(t.name) AS c
CROSS JOIN LATERAL (VALUES (
    CASE
        WHEN c.plan IS NULL THEN 't.plan'
        ELSE format('tenancy_private.known_plan(a.%I::text)', c.plan)
    END
)) AS p (plan)
CROSS JOIN LATERAL (VALUES (
    CASE
        WHEN c.color IS NULL THEN 't.color'
        ELSE format(
            'CASE WHEN a.%1$I IS NULL THEN t.color '
            'ELSE tenancy_private.known_color(a.%1$I::text, t.id) END', c.color
        )
    END
)) AS q (color)
WHERE num_nonnulls(c.plan, c.color) > 0
\gexec

-- Unknown plans count as free, which their owners may not expect.
SELECT format(
    'DO %L', format(
        'DECLARE n bigint := (SELECT count(*) FROM %s AS a '
        'WHERE a.%I::text NOT IN (''free'', ''subscriber'')); '
        'BEGIN IF n > 0 THEN RAISE WARNING ''%%: %% rows have a plan that is neither free nor '
        'subscriber, and count as free'', %L, n USING HINT = %L; END IF; END',
        t.name, c.plan, t.name::text,
        format('SELECT %1$I, count(*) FROM %2$s GROUP BY %1$I;', c.plan, t.name)
    )
)
FROM unnest(ARRAY['public.users', 'public.organizations']::regclass[]) AS t (name)
CROSS JOIN LATERAL tenancy_private.plan_columns(t.name) AS c
WHERE c.plan IS NOT NULL
\gexec

\ir ../../notes/done.psql
