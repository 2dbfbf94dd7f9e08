-- Deploy pg-tenancy:platform/finops_functions to pg
-- requires: platform/cost_totals
-- requires: kernel/permission_checks
-- requires: platform/instance_prices

\set change platform/finops_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- The schema may be the application's, so the right to create functions in it lasts only
-- for this transaction.
SELECT pg_get_userbyid(n.nspowner) <> 'tenancy_owner' AS finops_is_adopted
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = 'finops'
\gset
\if :finops_is_adopted
GRANT CREATE ON SCHEMA finops TO tenancy_owner;
\endif

SET LOCAL ROLE tenancy_owner;

-- == Prices ==

-- Instances in all other states cost something, including states that the application has
-- added. A DBA can replace this function.
CREATE FUNCTION finops.is_running(status text) RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN coalesce(
    status NOT IN (
        'terminated', 'archived', 'provisioning_failed', 'startup_failed', 'failed', 'stopped'
    ), true
);
REVOKE ALL ON FUNCTION finops.is_running(text) FROM public;
GRANT EXECUTE ON FUNCTION finops.is_running(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION finops.is_running(text) IS 'Whether an instance in this state incurs costs.';

CREATE FUNCTION tenancy_private.burn_rate(
    workspace uuid, OUT eur_per_hour numeric, OUT running_instances bigint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT trim_scale(coalesce(sum(finops.hourly_price(i.id)), 0)), count(*)
FROM public.instances AS i
WHERE i.workspace_id = workspace AND i.terminated_at IS NULL AND finops.is_running(i.status::text);
$$;
REVOKE ALL ON FUNCTION tenancy_private.burn_rate(uuid) FROM public;

-- == Functions for applications ==
-- Each checks the permission and takes the workspace from the verified context, once.

CREATE FUNCTION finops.cost_current(time_zone text DEFAULT NULL)
RETURNS TABLE (
    eur_per_hour numeric,
    running_instances bigint,
    today_eur numeric,
    today_earned_eur numeric,
    today_starts_at timestamptz
)
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    workspace uuid;
    zone text;
BEGIN
    PERFORM tenancy.require_permission('finops.view');
    workspace := tenancy.current_workspace_id();
    zone := tenancy_private.require_time_zone(time_zone);
    today_starts_at := date_trunc('day', now(), zone);
    -- A day with two midnights begins with the first.
    IF timezone(zone, today_starts_at - interval '1 hour')::date = timezone(zone, now())::date THEN
        today_starts_at := today_starts_at - interval '1 hour';
    END IF;
    SELECT b.eur_per_hour, b.running_instances, coalesce(t.instances_eur + t.inference_eur, 0), coalesce(t.earned_eur, 0)
    INTO eur_per_hour, running_instances, today_eur, today_earned_eur
    FROM tenancy_private.burn_rate(workspace) AS b
    -- The current minute already has a row.
    LEFT JOIN tenancy_private.cost_totals(workspace, today_starts_at, now() + interval '1 microsecond', NULL, zone) AS t ON true;
    RETURN NEXT;
END;
$$;
REVOKE ALL ON FUNCTION finops.cost_current(text) FROM public;
GRANT EXECUTE ON FUNCTION finops.cost_current(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION finops.cost_current(text) IS
'The hourly cost of the current workspace''s running instances, and the amounts spent and earned today, in the given '
'time zone or the session''s. Requires finops.view. Raises 22023 time_zone_invalid.';

CREATE FUNCTION finops.costs_summary(starts_at timestamptz, ends_at timestamptz)
RETURNS TABLE (
    consumed_eur numeric,
    earned_eur numeric,
    instances_eur numeric,
    inference_eur numeric,
    calls bigint,
    total_tokens bigint
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('finops.view');
    PERFORM tenancy_private.require_range(starts_at, ends_at);
    SELECT coalesce(t.instances_eur, 0), coalesce(t.inference_eur, 0), coalesce(t.earned_eur, 0), coalesce(t.calls, 0),
        coalesce(t.total_tokens, 0)
    INTO instances_eur, inference_eur, earned_eur, calls, total_tokens
    FROM (VALUES (tenancy.current_workspace_id())) AS w (id)
    LEFT JOIN LATERAL tenancy_private.cost_totals(w.id, costs_summary.starts_at, costs_summary.ends_at, NULL, 'UTC') AS t
        ON true;
    consumed_eur := trim_scale(instances_eur + inference_eur);
    RETURN NEXT;
END;
$$;
REVOKE ALL ON FUNCTION finops.costs_summary(timestamptz, timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION finops.costs_summary(timestamptz, timestamptz)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION finops.costs_summary(timestamptz, timestamptz) IS
'The amounts that the current workspace spent and earned from starts_at until before ends_at: consumed_eur is '
'instances_eur plus inference_eur, calls and total_tokens are those it made. Requires finops.view. Raises 22023 '
'range_invalid.';

CREATE FUNCTION finops.costs_window(span text)
RETURNS TABLE (
    starts_at timestamptz,
    ends_at timestamptz,
    consumed_eur numeric,
    earned_eur numeric,
    instances_eur numeric,
    inference_eur numeric,
    calls bigint,
    total_tokens bigint
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('finops.view');
    RETURN QUERY
    SELECT now() - s.length, now(), c.*
    FROM (SELECT tenancy_private.require_span(costs_window.span) AS span) AS w
    INNER JOIN tenancy_private.cost_spans() AS s ON w.span = s.span
    CROSS JOIN LATERAL finops.costs_summary(now() - s.length, now()) AS c;
END;
$$;
REVOKE ALL ON FUNCTION finops.costs_window(text) FROM public;
GRANT EXECUTE ON FUNCTION finops.costs_window(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION finops.costs_window(text) IS
'costs_summary() of the period up to now: a minute, an hour, a day, 30 days or 365 days. Requires finops.view. Raises '
'22023 span_invalid.';

CREATE FUNCTION finops.costs_series(
    starts_at timestamptz,
    ends_at timestamptz,
    bucket text DEFAULT 'day',
    time_zone text DEFAULT NULL
) RETURNS TABLE (
    bucket_start timestamptz,
    consumed_eur numeric,
    earned_eur numeric,
    instances_eur numeric,
    inference_eur numeric,
    calls bigint,
    total_tokens bigint
)
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    workspace uuid;
    zone text;
BEGIN
    PERFORM tenancy.require_permission('finops.view');
    workspace := tenancy.current_workspace_id();
    PERFORM tenancy_private.require_range(starts_at, ends_at);
    bucket := tenancy_private.require_bucket(bucket, starts_at, ends_at);
    zone := tenancy_private.require_time_zone(time_zone);
    RETURN QUERY
    SELECT t.bucket_start, trim_scale(t.instances_eur + t.inference_eur), t.earned_eur, t.instances_eur, t.inference_eur,
        t.calls, t.total_tokens
    FROM tenancy_private.cost_totals(workspace, costs_series.starts_at, costs_series.ends_at, costs_series.bucket, zone) AS t;
END;
$$;
REVOKE ALL ON FUNCTION finops.costs_series(timestamptz, timestamptz, text, text) FROM public;
GRANT EXECUTE ON FUNCTION finops.costs_series(timestamptz, timestamptz, text, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION finops.costs_series(timestamptz, timestamptz, text, text) IS
'costs_summary() by minute, hour, day or month in the given time zone, or the session''s; bucket_start is '
'date_trunc() of it. Empty buckets have no row. Requires finops.view. Raises 22023 range_invalid, bucket_invalid, '
'too_many_buckets, time_zone_invalid.';

CREATE FUNCTION finops.costs_by(starts_at timestamptz, ends_at timestamptz, dimension text)
RETURNS TABLE (
    key text,
    name text,
    consumed_eur numeric,
    earned_eur numeric,
    instances_eur numeric,
    inference_eur numeric,
    calls bigint,
    total_tokens bigint
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    workspace uuid;
    word text;
BEGIN
    PERFORM tenancy.require_permission('finops.view');
    workspace := tenancy.current_workspace_id();
    PERFORM tenancy_private.require_range(starts_at, ends_at);
    word := tenancy_private.require_dimension(dimension);
    RETURN QUERY
    WITH parts AS MATERIALIZED (
        SELECT p.* FROM tenancy_private.cost_parts(workspace, costs_by.starts_at, costs_by.ends_at, word) AS p
    ),

    labels AS MATERIALIZED (
        SELECT l.*
        FROM tenancy_private.cost_labels(workspace, word, ARRAY(SELECT DISTINCT p.id FROM parts AS p WHERE p.id IS NOT NULL)) AS l
    ),

    named AS (
        SELECT
            p.kind, p.amount_eur, p.calls, p.total_tokens,
            CASE
                WHEN word = 'provider' THEN coalesce(p.provider_id::text, l.key)
                WHEN word IN ('region', 'instance_type') THEN l.key
                ELSE p.id::text
            END AS key,
            coalesce(l.name, CASE word WHEN 'provider' THEN (
                SELECT v.name::text FROM public.providers AS v WHERE v.id = p.provider_id
            ) END) AS name
        FROM parts AS p
        LEFT JOIN labels AS l ON p.id = l.id AND (l.is_own OR p.kind = 'instances')
    )

    SELECT
        n.key,
        max(n.name),
        trim_scale(coalesce(sum(n.amount_eur) FILTER (WHERE n.kind <> 'earned'), 0)),
        trim_scale(coalesce(sum(n.amount_eur) FILTER (WHERE n.kind = 'earned'), 0)),
        trim_scale(coalesce(sum(n.amount_eur) FILTER (WHERE n.kind = 'instances'), 0)),
        trim_scale(coalesce(sum(n.amount_eur) FILTER (WHERE n.kind = 'inference'), 0)),
        coalesce(sum(n.calls) FILTER (WHERE n.kind = 'inference'), 0)::bigint,
        coalesce(sum(n.total_tokens) FILTER (WHERE n.kind = 'inference'), 0)::bigint
    FROM named AS n
    GROUP BY n.key
    ORDER BY 3 DESC, 4 DESC, n.key;
END;
$$;
REVOKE ALL ON FUNCTION finops.costs_by(timestamptz, timestamptz, text) FROM public;
GRANT EXECUTE ON FUNCTION finops.costs_by(timestamptz, timestamptz, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION finops.costs_by(timestamptz, timestamptz, text) IS
'costs_summary() by provider, region, instance type, instance, model, user, API key or offering. Rows without a '
'value are one row with a NULL key, so that the sums are always the same. Requires finops.view. Raises 22023 '
'range_invalid, dimension_invalid.';

CREATE FUNCTION finops.cost_forecast(horizon text DEFAULT NULL)
RETURNS TABLE (horizon_name text, eur_per_hour numeric, forecast_eur numeric)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    word text;
BEGIN
    PERFORM tenancy.require_permission('finops.view');
    IF horizon IS NOT NULL THEN
        word := tenancy_private.require_span(horizon);
    END IF;
    RETURN QUERY
    SELECT s.span, b.eur_per_hour, trim_scale(CASE s.span WHEN 'minute' THEN b.eur_per_hour / 60 ELSE b.eur_per_hour * s.hours END)
    FROM tenancy_private.burn_rate(tenancy.current_workspace_id()) AS b
    CROSS JOIN tenancy_private.cost_spans() AS s
    WHERE word IS NULL OR s.span = word
    ORDER BY s.length;
END;
$$;
REVOKE ALL ON FUNCTION finops.cost_forecast(text) FROM public;
GRANT EXECUTE ON FUNCTION finops.cost_forecast(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION finops.cost_forecast(text) IS
'The future cost of the running instances for a minute, an hour, a day, 30 days or 365 days; without a horizon all '
'of these. Requires finops.view. Raises 22023 span_invalid.';

-- == Keeping the rollups ==

-- Recomputes hours of workspaces from the original rows, and their days, if a day is over
-- and has no other marks.
CREATE FUNCTION tenancy_private.roll_up_hours(workspaces uuid[], hours timestamptz[]) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    rolled_before CONSTANT timestamptz := (SELECT s.rolled_before FROM tenancy_private.cost_state AS s);
BEGIN
    DELETE FROM tenancy_private.cost_hours AS h
    USING unnest(workspaces, hours) AS w (id, hour)
    WHERE h.workspace_id = w.id AND h.hour = w.hour;
    DELETE FROM tenancy_private.cost_hour_parts AS h
    USING unnest(workspaces, hours) AS w (id, hour)
    WHERE h.workspace_id = w.id AND h.hour = w.hour;
    WITH costs AS MATERIALIZED (
        SELECT w.id, w.hour, c.*
        FROM unnest(workspaces, hours) AS w (id, hour)
        CROSS JOIN LATERAL (
            SELECT c.* FROM tenancy_private.cost_rows() AS c
            WHERE c.workspace_id = w.id AND c.at >= w.hour AND c.at < w.hour + interval '1 hour'
            OFFSET 0
        ) AS c
    ),

    parts AS (
        INSERT INTO tenancy_private.cost_hour_parts
        SELECT
            c.id, c.hour, c.kind, c.provider_id, c.instance_id, c.model_id, c.user_id, c.api_key_id, c.organization_model_id,
            sum(c.amount_eur), sum(c.calls), sum(c.total_tokens)
        FROM costs AS c
        GROUP BY
            c.id, c.hour, c.kind, c.provider_id, c.instance_id, c.model_id, c.user_id, c.api_key_id, c.organization_model_id
    ),

    quarters AS (
        SELECT
            c.id,
            c.hour,
            floor(extract(EPOCH FROM c.at - c.hour) / 900) AS number,
            coalesce(sum(c.amount_eur) FILTER (WHERE c.kind = 'instances'), 0) AS instances_eur,
            coalesce(sum(c.amount_eur) FILTER (WHERE c.kind = 'inference'), 0) AS inference_eur,
            coalesce(sum(c.amount_eur) FILTER (WHERE c.kind = 'earned'), 0) AS earned_eur,
            coalesce(sum(c.calls) FILTER (WHERE c.kind = 'inference'), 0) AS calls,
            coalesce(sum(c.total_tokens) FILTER (WHERE c.kind = 'inference'), 0) AS total_tokens
        FROM costs AS c
        GROUP BY 1, 2, 3
    )

    INSERT INTO tenancy_private.cost_hours
    SELECT
        q.id, q.hour, sum(q.instances_eur), sum(q.inference_eur), sum(q.earned_eur), sum(q.calls), sum(q.total_tokens),
        ARRAY(
            SELECT unnest(ARRAY[
                max(v.instances_eur), max(v.inference_eur), max(v.earned_eur), max(v.calls), max(v.total_tokens)
            ])
            FROM generate_series(0, 3) AS n (number)
            LEFT JOIN unnest(
                array_agg(q.number), array_agg(q.instances_eur), array_agg(q.inference_eur), array_agg(q.earned_eur),
                array_agg(q.calls), array_agg(q.total_tokens)
            ) AS v (number, instances_eur, inference_eur, earned_eur, calls, total_tokens) ON n.number = v.number
            GROUP BY n.number
            ORDER BY n.number
        )
    FROM quarters AS q
    GROUP BY q.id, q.hour;

    WITH days AS MATERIALIZED (
        SELECT DISTINCT w.id, date_trunc('day', w.hour, 'UTC') AS day
        FROM unnest(workspaces, hours) AS w (id, hour)
        WHERE date_trunc('day', w.hour, 'UTC') + interval '24 hours' <= rolled_before
    ),

    gone AS (
        DELETE FROM tenancy_private.cost_day_parts AS p
        USING days AS d
        WHERE p.workspace_id = d.id AND p.day = d.day
    )

    INSERT INTO tenancy_private.cost_day_parts
    SELECT
        d.id, d.day, h.kind, h.provider_id, h.instance_id, h.model_id, h.user_id, h.api_key_id, h.organization_model_id,
        sum(h.amount_eur), sum(h.calls), sum(h.total_tokens)
    FROM days AS d
    INNER JOIN tenancy_private.cost_hour_parts AS h
        ON d.id = h.workspace_id AND d.day <= h.hour AND d.day + interval '24 hours' > h.hour
    WHERE NOT EXISTS (
        SELECT FROM tenancy_private.cost_marks AS m
        WHERE m.workspace_id = d.id AND m.hour >= d.day AND m.hour < d.day + interval '24 hours'
    )
    GROUP BY
        d.id, d.day, h.kind, h.provider_id, h.instance_id, h.model_id, h.user_id, h.api_key_id, h.organization_model_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.roll_up_hours(uuid[], timestamptz[]) FROM public;

-- One worker at a time; another one finds the row locked and does not wait. It deletes marks
-- before it reads the rows, so every write whose mark is gone has been counted. It also moves
-- forward by marks: it marks the workspaces in the next hours and moves rolled_before past
-- them. To move marked_before it needs an exclusive lock on the table of marks for an instant;
-- if a writer does not end within a tenth of a second, it leaves that to the next call.
CREATE FUNCTION finops.roll_up(batch_size integer DEFAULT 1000) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
SET lock_timeout = '100ms'
AS $$
DECLARE
    an_hour CONSTANT interval := interval '1 hour';
    rows_at_most CONSTANT integer := batch_size * 100;
    -- Rows arrive a little late.
    target CONSTANT timestamptz := date_trunc('hour', now() - interval '2 minutes', 'UTC');
    state record;
    workspaces uuid[];
    hours timestamptz[];
    next_before timestamptz;
    done bigint := 0;
BEGIN
    IF NOT coalesce(batch_size BETWEEN 1 AND 100000, false) THEN
        RAISE EXCEPTION 'a batch must have 1 to 100000 hours'
        USING ERRCODE = '22023',
        CONSTRAINT = 'batch_size_invalid',
        HINT = 'Small batches hold their locks for less time.';
    END IF;
    SELECT s.marked_before, s.rolled_before INTO state FROM tenancy_private.cost_state AS s FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    SELECT array_agg(m.workspace_id), array_agg(m.hour) INTO workspaces, hours
    FROM (
        SELECT DISTINCT m.workspace_id, m.hour
        FROM tenancy_private.cost_marks AS m
        WHERE m.hour < state.rolled_before
        ORDER BY m.workspace_id, m.hour
        LIMIT batch_size
    ) AS m;
    IF workspaces IS NOT NULL THEN
        DELETE FROM tenancy_private.cost_marks AS m
        USING unnest(workspaces, hours) AS w (id, hour)
        WHERE m.workspace_id = w.id AND m.hour = w.hour;
        PERFORM tenancy_private.roll_up_hours(workspaces, hours);
        RETURN cardinality(workspaces);
    END IF;

    IF state.rolled_before < state.marked_before THEN
        -- If neither table has that many rows left, everything.
        SELECT least(state.marked_before, CASE
            WHEN min(t.at_most) IS NOT NULL
                THEN greatest(min(date_trunc('hour', t.at_most, 'UTC')), min(date_trunc('hour', t.first, 'UTC')) + an_hour)
        END) INTO next_before
        FROM (
            SELECT
                (SELECT min(c.bucket_minute) FROM finops.cost_actual_minute AS c WHERE c.bucket_minute >= state.rolled_before),
                (
                    SELECT c.bucket_minute FROM finops.cost_actual_minute AS c
                    WHERE c.bucket_minute >= state.rolled_before ORDER BY c.bucket_minute OFFSET rows_at_most LIMIT 1
                )
            UNION ALL
            SELECT
                (SELECT min(u.occurred_at) FROM finops.inference_usage AS u WHERE u.occurred_at >= state.rolled_before),
                (
                    SELECT u.occurred_at FROM finops.inference_usage AS u
                    WHERE u.occurred_at >= state.rolled_before ORDER BY u.occurred_at OFFSET rows_at_most LIMIT 1
                )
        ) AS t (first, at_most);
        INSERT INTO tenancy_private.cost_marks (workspace_id, hour)
        SELECT DISTINCT c.workspace_id, date_trunc('hour', c.at, 'UTC')
        FROM tenancy_private.cost_rows() AS c
        WHERE c.at >= state.rolled_before AND c.at < next_before
        UNION
        -- A day is added up with its last hour, even if that hour is empty.
        SELECT DISTINCT c.workspace_id, date_trunc('day', c.at, 'UTC') + 23 * an_hour
        FROM tenancy_private.cost_rows() AS c
        WHERE c.at < date_trunc('day', next_before, 'UTC')
            AND c.at >= CASE
                WHEN isfinite(state.rolled_before) THEN date_trunc('day', state.rolled_before, 'UTC')
                ELSE state.rolled_before
            END;
        UPDATE tenancy_private.cost_state SET rolled_before = next_before;
        RETURN 1;
    END IF;

    IF state.marked_before < target THEN
        BEGIN
            LOCK TABLE tenancy_private.cost_marks IN SHARE MODE;
            UPDATE tenancy_private.cost_state SET marked_before = target;
            done := 1;
        EXCEPTION
            WHEN lock_not_available THEN
                NULL;
        END;
    END IF;
    RETURN done;
END;
$$;
REVOKE ALL ON FUNCTION finops.roll_up(integer) FROM public;
GRANT EXECUTE ON FUNCTION finops.roll_up(integer) TO tenancy_service;
COMMENT ON FUNCTION finops.roll_up(integer) IS
'Adds up at most batch_size hours for the cost functions, which are correct without it, but slower. A service '
'calls it every few minutes until it returns 0, each time in a separate transaction. Raises 22023 '
'batch_size_invalid.';

RESET ROLE;

\if :finops_is_adopted
REVOKE CREATE ON SCHEMA finops FROM tenancy_owner;
\endif

-- The tables with prices and regions, if the application has them.
DO $$
DECLARE
    read regclass;
BEGIN
    FOREACH read IN ARRAY ARRAY[
        to_regclass('public.instance_types'), to_regclass('public.regions'), to_regclass('public.zones'),
        to_regclass('public.providers'), to_regclass('public.organization_models')
    ] LOOP
        IF read IS NOT NULL THEN
            CALL tenancy_private.grant_read(read, 'platform/finops_functions');
        END IF;
    END LOOP;
END;
$$;

\ir ../../notes/done.psql
COMMIT;
