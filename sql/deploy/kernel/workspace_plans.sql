-- Deploy pg-tenancy:kernel/workspace_plans to pg
-- requires: kernel/workspaces_backfill

\set change kernel/workspace_plans
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.users', 'public.organizations', 'tenancy.workspaces']::regclass[],
    'SHARE ROW EXCLUSIVE', 'SELECT'
);
SET LOCAL ROLE tenancy_owner;

-- An application may have its own plans and colors, in columns of people and organizations.
-- They are adopted, and both sides are synchronized: the last write, by the application or by
-- pg-tenancy, counts for both. So a revert loses nothing.
CREATE FUNCTION tenancy_private.plan_columns(
    table_name regclass, OUT plan name, OUT plan_time name, OUT color name
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT
    min(a.attname::text) FILTER (WHERE a.attname IN ('account_plan', 'subscription_plan')),
    min(a.attname::text) FILTER (WHERE a.attname IN ('account_plan_updated_at', 'subscription_plan_updated_at')),
    min(a.attname::text) FILTER (WHERE a.attname = 'sidebar_color')
FROM pg_attribute AS a
INNER JOIN pg_type AS y ON a.atttypid = y.oid
WHERE a.attrelid = plan_columns.table_name AND NOT a.attisdropped AND a.attgenerated = ''
    AND a.attname = ANY(CASE plan_columns.table_name
        WHEN 'public.users'::regclass THEN ARRAY['account_plan', 'account_plan_updated_at']
        ELSE ARRAY['subscription_plan', 'subscription_plan_updated_at', 'sidebar_color']
    END)
    AND (y.typcategory IN ('S', 'E') OR a.attname LIKE '%\_updated\_at' AND y.typcategory = 'D');
$$;
REVOKE ALL ON FUNCTION tenancy_private.plan_columns(regclass) FROM public;

-- A plan that pg-tenancy does not know counts as free.
CREATE FUNCTION tenancy_private.known_plan(plan text) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE WHEN plan IN ('free', 'subscriber') THEN plan ELSE 'free' END;
REVOKE ALL ON FUNCTION tenancy_private.known_plan(text) FROM public;

-- Any color that a front end can understand, but no other text.
CREATE FUNCTION tenancy_private.known_color(color text, workspace_id uuid) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN color ~ '^[0-9A-Za-z#(),.%/ -]{1,64}$' THEN color
    ELSE tenancy_private.color_for(workspace_id)
END;
REVOKE ALL ON FUNCTION tenancy_private.known_color(text, uuid) FROM public;

-- Arguments: the plan's and the color's column, or nothing.
CREATE FUNCTION tenancy_private.take_plan() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    was CONSTANT jsonb := CASE tg_op WHEN 'UPDATE' THEN to_jsonb(old) ELSE '{}' END;
    found CONSTANT jsonb := to_jsonb(new);
    has_plan CONSTANT boolean := (was ->> tg_argv[0]) IS DISTINCT FROM (found ->> tg_argv[0]);
    has_color CONSTANT boolean := (was ->> tg_argv[1]) IS DISTINCT FROM (found ->> tg_argv[1]);
BEGIN
    IF has_plan OR has_color THEN
        UPDATE tenancy.workspaces AS w
        SET
            plan = CASE WHEN has_plan THEN tenancy_private.known_plan(found ->> tg_argv[0]) ELSE w.plan END,
            color = CASE WHEN has_color THEN tenancy_private.known_color(found ->> tg_argv[1], w.id) ELSE w.color END
        WHERE w.id = new.id
            AND (
                has_plan AND w.plan <> tenancy_private.known_plan(found ->> tg_argv[0])
                OR has_color AND w.color <> tenancy_private.known_color(found ->> tg_argv[1], w.id)
            );
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.take_plan() FROM public;

-- Values that the application wrote come through here as well, and are already
-- stored.
CREATE FUNCTION tenancy_private.give_plan() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    table_name CONSTANT regclass := CASE new.kind
        WHEN 'personal' THEN 'public.users'::regclass
        WHEN 'organization' THEN 'public.organizations'::regclass
    END;
    columns record;
    found jsonb;
    changes jsonb := '{}';
BEGIN
    IF table_name IS NULL THEN
        RETURN NULL;
    END IF;
    columns := tenancy_private.plan_columns(table_name);
    EXECUTE format('SELECT to_jsonb(t) FROM %s AS t WHERE t.id = $1', table_name) INTO found USING new.id;
    IF columns.plan IS NOT NULL AND new.plan <> old.plan
        AND new.plan <> tenancy_private.known_plan(found ->> columns.plan)
    THEN
        changes := jsonb_build_object(columns.plan, new.plan);
        IF columns.plan_time IS NOT NULL THEN
            changes := changes || jsonb_build_object(columns.plan_time, now());
        END IF;
    END IF;
    IF columns.color IS NOT NULL AND new.color <> old.color
        AND new.color <> tenancy_private.known_color(found ->> columns.color, new.id)
    THEN
        changes := changes || jsonb_build_object(columns.color, new.color);
    END IF;
    IF changes <> '{}' THEN
        PERFORM tenancy_private.update_rows(table_name, jsonb_build_object('id', new.id), changes);
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.give_plan() FROM public;

CREATE TRIGGER workspaces_plans
AFTER UPDATE ON tenancy.workspaces
FOR EACH ROW
WHEN (old.plan <> new.plan OR old.color <> new.color)
EXECUTE FUNCTION tenancy_private.give_plan();
CALL tenancy_private.record_triggers('tenancy.workspaces', 'workspaces_plans');

RESET ROLE;

-- Without a condition on the columns, which would prevent the application from changing their
-- types; named so that it fires after the trigger that creates the workspace.
DO $$
DECLARE
    adopted record;
BEGIN
    FOR adopted IN
        SELECT t.name, c.plan, c.color, format('%s_tenancy_workspaces_plan', r.relname) AS trigger_name
        FROM unnest(ARRAY['public.users', 'public.organizations']::regclass[]) AS t (name)
        INNER JOIN pg_class AS r ON t.name = r.oid
        CROSS JOIN LATERAL tenancy_private.plan_columns(t.name) AS c
        WHERE num_nonnulls(c.plan, c.color) > 0
    LOOP
        EXECUTE format(
            'CREATE TRIGGER %I AFTER INSERT OR UPDATE ON %s FOR EACH ROW '
            'EXECUTE FUNCTION tenancy_private.take_plan(%L, %L)',
            adopted.trigger_name, adopted.name, coalesce(adopted.plan, ''), coalesce(adopted.color, '')
        );
        CALL tenancy_private.record_triggers(adopted.name, adopted.trigger_name);
    END LOOP;
END;
$$;

\ir ../../notes/done.psql
COMMIT;
