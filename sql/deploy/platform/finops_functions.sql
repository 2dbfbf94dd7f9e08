-- Deploy pg-tenancy:platform/finops_functions to pg
-- requires: platform/cost_actual_minute_workspaces
-- requires: platform/inference_usage_workspaces
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

-- == Arguments and their errors ==

CREATE FUNCTION tenancy_private.require_range(starts_at timestamptz, ends_at timestamptz)
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF starts_at >= '1970-01-01 00:00:00+00' AND ends_at <= '9999-01-01 00:00:00+00' AND starts_at < ends_at THEN
        RETURN;
    END IF;
    RAISE EXCEPTION 'the range from % to % is empty', coalesce(starts_at::text, 'NULL'), coalesce(ends_at::text, 'NULL')
    USING ERRCODE = '22023',
    CONSTRAINT = 'range_invalid',
    HINT = 'A range must start in 1970 or later, and end after its start and before the year 9999.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_range(timestamptz, timestamptz) FROM public;

-- The time zone for days and months: the given one, or the session's.
CREATE FUNCTION tenancy_private.require_time_zone(time_zone text) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    zone CONSTANT text := coalesce(time_zone, current_setting('TimeZone'));
BEGIN
    PERFORM timezone(zone, '2000-01-01 00:00:00+00'::timestamptz);
    RETURN zone;
EXCEPTION
    WHEN invalid_parameter_value OR invalid_time_zone_displacement_value THEN
        RAISE EXCEPTION 'unknown time zone %', zone
        USING ERRCODE = '22023',
        CONSTRAINT = 'time_zone_invalid',
        HINT = 'Use a name of pg_timezone_names, such as Europe/Rome.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_time_zone(text) FROM public;

CREATE FUNCTION tenancy_private.require_bucket(
    bucket text, starts_at timestamptz, ends_at timestamptz
) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    buckets_at_most CONSTANT integer := 10000;
    seconds CONSTANT integer := CASE lower(bucket)
        WHEN 'minute' THEN 60 WHEN 'hour' THEN 3600 WHEN 'day' THEN 86400 WHEN 'month' THEN 28 * 86400
    END;
BEGIN
    IF seconds IS NULL THEN
        RAISE EXCEPTION 'unknown bucket %', coalesce(bucket, 'NULL')
        USING ERRCODE = '22023',
        CONSTRAINT = 'bucket_invalid',
        HINT = 'The bucket must be minute, hour, day or month.';
    END IF;
    IF extract(EPOCH FROM ends_at) - extract(EPOCH FROM starts_at) > seconds::numeric * buckets_at_most THEN
        RAISE EXCEPTION 'the range from % to % has more than % buckets of a %', starts_at, ends_at, buckets_at_most, lower(bucket)
        USING ERRCODE = '22023',
        CONSTRAINT = 'too_many_buckets',
        HINT = 'Use a shorter range or larger buckets.';
    END IF;
    RETURN lower(bucket);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_bucket(text, timestamptz, timestamptz) FROM public;

CREATE FUNCTION tenancy_private.require_dimension(dimension text) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    word CONSTANT text := replace(lower(dimension), ' ', '_');
BEGIN
    IF word IN ('provider', 'region', 'instance_type', 'instance', 'model', 'user', 'api_key', 'offering') THEN
        RETURN word;
    END IF;
    RAISE EXCEPTION 'unknown dimension %', coalesce(dimension, 'NULL')
    USING ERRCODE = '22023',
    CONSTRAINT = 'dimension_invalid',
    HINT = 'The dimension must be provider, region, instance type, instance, model, user, API key or offering.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_dimension(text) FROM public;

-- Lengths of windows, which look back, and of horizons, which look ahead.
CREATE FUNCTION tenancy_private.cost_spans()
RETURNS TABLE (span text, hours numeric, length interval)
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT s.span, s.hours, s.length
    FROM (VALUES
        ('minute', 1::numeric / 60, interval '1 minute'),
        ('hour', 1, interval '1 hour'),
        ('day', 24, interval '24 hours'),
        ('30 days', 720, interval '720 hours'),
        ('365 days', 8760, interval '8760 hours')
    ) AS s (span, hours, length);
END;
REVOKE ALL ON FUNCTION tenancy_private.cost_spans() FROM public;

CREATE FUNCTION tenancy_private.require_span(span text) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    word CONSTANT text := regexp_replace(replace(lower(span), '_', ' '), '^1 ', '');
BEGIN
    IF EXISTS (SELECT FROM tenancy_private.cost_spans() AS s WHERE s.span = word) THEN
        RETURN word;
    END IF;
    RAISE EXCEPTION 'unknown span %', coalesce(span, 'NULL')
    USING ERRCODE = '22023',
    CONSTRAINT = 'span_invalid',
    HINT = 'The span must be minute, hour, day, 30 days or 365 days.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_span(text) FROM public;

-- == Adding up ==

-- The rows of all costs: the costs of instances and of calls, and separately a provider's
-- earnings from calls. Rows without an instance are totals of other rows, and left out. A
-- consumer's keys, people and instances are hidden from the provider.
--
-- Neither SECURITY DEFINER nor with a SET clause, so that it is inlined; and its body is a
-- string, so that the application can change the types of its columns. A query that computes
-- its ranges itself adds OFFSET 0: otherwise the planner may join the ranges with all rows of
-- the workspace.
CREATE FUNCTION tenancy_private.cost_rows()
RETURNS TABLE (
    workspace_id uuid,
    at timestamptz,
    kind text,
    provider_id uuid,
    instance_id uuid,
    model_id uuid,
    user_id uuid,
    api_key_id uuid,
    organization_model_id uuid,
    amount_eur numeric,
    calls bigint,
    total_tokens bigint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
AS $$
SELECT
    c.workspace_id, c.bucket_minute, 'instances', c.provider_id, c.instance_id,
    NULL::pg_catalog.uuid, NULL::pg_catalog.uuid, NULL::pg_catalog.uuid, NULL::pg_catalog.uuid,
    c.amount_eur::pg_catalog.numeric, 0::pg_catalog.int8, 0::pg_catalog.int8
FROM finops.cost_actual_minute AS c
WHERE c.instance_id IS NOT NULL
UNION ALL
SELECT
    u.workspace_id, u.occurred_at, 'inference', NULL, u.instance_id, u.model_id, u.user_id, u.api_key_id,
    u.organization_model_id, coalesce(u.charged_amount_eur::pg_catalog.numeric, 0), 1, coalesce(u.total_tokens, 0)
FROM finops.inference_usage AS u
UNION ALL
SELECT
    u.provider_organization_id, u.occurred_at, 'earned', NULL, NULL, u.model_id, NULL, NULL,
    u.organization_model_id, coalesce(u.charged_amount_eur::pg_catalog.numeric, 0), 1, coalesce(u.total_tokens, 0)
FROM finops.inference_usage AS u
WHERE u.provider_organization_id IS NOT NULL
$$;
REVOKE ALL ON FUNCTION tenancy_private.cost_rows() FROM public;
COMMENT ON FUNCTION tenancy_private.cost_rows() IS
'The amounts that each workspace spent and earned, row by row; calls and tokens of earnings are those served.';

-- The hours to read from the rollups, and the ranges to read from the original rows: hours
-- that are not rolled up, have changed since, or are only partly in the range. These functions
-- are STABLE, so one call sees a single snapshot.
CREATE FUNCTION tenancy_private.cost_sources(
    workspace uuid,
    starts_at timestamptz,
    ends_at timestamptz,
    OUT whole_from timestamptz,
    OUT whole_to timestamptz,
    OUT marked timestamptz[],
    OUT row_starts timestamptz[],
    OUT row_ends timestamptz[]
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    an_hour CONSTANT interval := interval '1 hour';
BEGIN
    whole_from := date_trunc('hour', starts_at + (an_hour - interval '1 microsecond'), 'UTC');
    whole_to := least(date_trunc('hour', ends_at, 'UTC'), (SELECT s.rolled_before FROM tenancy_private.cost_state AS s));
    IF whole_from < whole_to THEN
        marked := ARRAY(
            SELECT DISTINCT m.hour
            FROM tenancy_private.cost_marks AS m
            WHERE m.workspace_id = workspace AND m.hour >= whole_from AND m.hour < whole_to
            ORDER BY m.hour
        );
        row_starts := ARRAY[starts_at, whole_to] || marked;
        row_ends := ARRAY[whole_from, ends_at] || ARRAY(SELECT m.hour + an_hour FROM unnest(marked) AS m (hour));
    ELSE
        whole_to := whole_from;
        marked := '{}';
        row_starts := ARRAY[starts_at];
        row_ends := ARRAY[ends_at];
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.cost_sources(uuid, timestamptz, timestamptz) FROM public;

-- The costs and earnings of a workspace, by bucket, or in total without one.
CREATE FUNCTION tenancy_private.cost_totals(
    workspace uuid, starts_at timestamptz, ends_at timestamptz, bucket text, time_zone text
) RETURNS TABLE (
    bucket_start timestamptz, instances_eur numeric, inference_eur numeric, earned_eur numeric,
    calls bigint, total_tokens bigint
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    an_hour CONSTANT interval := interval '1 hour';
    a_moment CONSTANT interval := interval '1 microsecond';
    source record;
    -- Midnight in Kolkata is in the middle of a UTC hour.
    is_split boolean := false;
    -- A chart by hour where nothing has to be added up: four times as fast.
    is_whole boolean := false;
BEGIN
    source := tenancy_private.cost_sources(workspace, starts_at, ends_at);
    IF bucket = 'minute' THEN
        source.whole_to := source.whole_from;
        source.row_starts := ARRAY[starts_at];
        source.row_ends := ARRAY[ends_at];
    ELSIF bucket IS NOT NULL AND source.whole_from < source.whole_to THEN
        is_split := EXISTS (
            SELECT FROM generate_series(source.whole_from, source.whole_to + interval '24 hours', interval '24 hours')
                AS d (instant)
            WHERE extract(EPOCH FROM timezone(time_zone, d.instant)) % 3600 <> extract(EPOCH FROM d.instant) % 3600
        );
        is_whole := bucket = 'hour' AND NOT is_split;
    END IF;
    RETURN QUERY
    WITH rolled AS NOT MATERIALIZED (
        SELECT h.*
        FROM tenancy_private.cost_hours AS h
        WHERE h.workspace_id = workspace AND h.hour >= source.whole_from AND h.hour < source.whole_to
            AND NOT EXISTS (SELECT FROM unnest(source.marked) AS m (hour) WHERE m.hour = h.hour)
    )

    SELECT
        h.hour, trim_scale(h.instances_eur), trim_scale(h.inference_eur), trim_scale(h.earned_eur), h.calls, h.total_tokens
    FROM rolled AS h
    WHERE is_whole
    UNION ALL
    SELECT
        p.bucket_start,
        trim_scale(sum(p.instances_eur)),
        trim_scale(sum(p.inference_eur)),
        trim_scale(sum(p.earned_eur)),
        sum(p.calls)::bigint,
        sum(p.total_tokens)::bigint
    FROM (
        SELECT
            date_trunc(bucket, h.hour, time_zone) AS bucket_start,
            h.instances_eur, h.inference_eur, h.earned_eur, h.calls, h.total_tokens
        FROM rolled AS h
        WHERE NOT is_whole
            AND (
                NOT is_split
                OR date_trunc(bucket, h.hour, time_zone) = date_trunc(bucket, h.hour + (an_hour - a_moment), time_zone)
            )
        UNION ALL
        SELECT
            date_trunc(bucket, h.hour + q.number * interval '15 minutes', time_zone),
            h.quarters[5 * q.number + 1], h.quarters[5 * q.number + 2], h.quarters[5 * q.number + 3],
            h.quarters[5 * q.number + 4]::bigint, h.quarters[5 * q.number + 5]::bigint
        FROM rolled AS h
        CROSS JOIN generate_series(0, 3) AS q (number)
        WHERE is_split
            AND date_trunc(bucket, h.hour, time_zone) <> date_trunc(bucket, h.hour + (an_hour - a_moment), time_zone)
            AND h.quarters[5 * q.number + 1] IS NOT NULL
        UNION ALL
        SELECT
            date_trunc(bucket, c.at, time_zone),
            CASE c.kind WHEN 'instances' THEN c.amount_eur ELSE 0 END,
            CASE c.kind WHEN 'inference' THEN c.amount_eur ELSE 0 END,
            CASE c.kind WHEN 'earned' THEN c.amount_eur ELSE 0 END,
            CASE c.kind WHEN 'inference' THEN c.calls ELSE 0 END,
            CASE c.kind WHEN 'inference' THEN c.total_tokens ELSE 0 END
        FROM unnest(source.row_starts, source.row_ends) AS r (starts, ends)
        CROSS JOIN LATERAL (
            SELECT c.* FROM tenancy_private.cost_rows() AS c
            WHERE c.workspace_id = workspace AND c.at >= r.starts AND c.at < r.ends
            OFFSET 0
        ) AS c
    ) AS p
    GROUP BY p.bucket_start
    ORDER BY 1;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.cost_totals(uuid, timestamptz, timestamptz, text, text)
FROM public;

-- The names of a dimension's values. The location of another workspace's instance, which
-- served a call, is hidden.
CREATE FUNCTION tenancy_private.cost_labels(workspace uuid, dimension text, ids uuid[])
RETURNS TABLE (id uuid, key text, name text, is_own boolean)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    platform CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    table_name CONSTANT text := CASE dimension
        WHEN 'provider' THEN 'public.providers' WHEN 'region' THEN 'public.regions' WHEN 'instance_type' THEN 'public.instance_types'
    END;
    -- In an application with zones, the region is the zone's.
    zones CONSTANT text := CASE WHEN has_table_privilege('tenancy_owner', to_regclass('public.zones'), 'SELECT') THEN
        '(SELECT to_jsonb(z) ->> ''region_id'' FROM public.zones AS z WHERE z.id::text = x.facts ->> ''zone_id'')'
    ELSE 'NULL' END;
BEGIN
    CASE
        WHEN dimension IN ('provider', 'region', 'instance_type', 'instance') THEN
            RETURN QUERY EXECUTE format(
                'SELECT i.id, k.key, %s, i.workspace_id IN ($1, $2) OR $1 = $2 '
                'FROM public.instances AS i '
                'CROSS JOIN LATERAL (SELECT to_jsonb(i) AS facts) AS x '
                'CROSS JOIN LATERAL (SELECT %s AS key) AS k WHERE i.id = ANY($3)',
                CASE
                    WHEN dimension = 'instance' THEN 'x.facts ->> ''name'''
                    WHEN has_table_privilege('tenancy_owner', to_regclass(table_name), 'SELECT') THEN format(
                        'coalesce((SELECT to_jsonb(n) ->> ''name'' FROM %s AS n WHERE n.id::text = k.key), %s)', table_name,
                        CASE dimension WHEN 'instance_type' THEN 'x.facts ->> ''gpu_profile''' ELSE 'NULL' END
                    )
                    WHEN dimension = 'instance_type' THEN 'x.facts ->> ''gpu_profile'''
                    ELSE 'NULL::text'
                END,
                CASE dimension
                    WHEN 'instance' THEN 'i.id::text'
                    WHEN 'provider' THEN 'i.provider_id::text'
                    WHEN 'region' THEN format('coalesce(x.facts ->> ''region_id'', %s)', zones)
                    ELSE 'coalesce(x.facts ->> ''instance_type_id'', x.facts ->> ''gpu_profile'')'
                END
            ) USING workspace, platform, ids;
        WHEN dimension = 'model' THEN
            RETURN QUERY
            SELECT m.id, m.id::text, m.name::text, true FROM public.models AS m
            WHERE m.id = ANY(ids) AND (m.workspace_id IN (workspace, platform) OR workspace = platform);
        WHEN dimension = 'user' THEN
            RETURN QUERY
            SELECT u.id, u.id::text, u.username::text, true FROM public.users AS u
            WHERE u.id = ANY(ids) AND (
                workspace IN (u.id, platform)
                OR EXISTS (
                    SELECT FROM public.organization_memberships AS m
                    WHERE m.user_id = u.id AND m.organization_id = workspace
                )
            );
        WHEN dimension = 'api_key' THEN
            RETURN QUERY
            SELECT k.id, k.id::text, k.name::text, true FROM public.api_keys AS k
            WHERE k.id = ANY(ids) AND (k.workspace_id = workspace OR workspace = platform);
        ELSE
            -- An offering is named by its organization's slug and its code, unless it has become
            -- private, which phase 12 introduces.
            RETURN QUERY EXECUTE format(
                'SELECT o.id, o.id::text, CASE WHEN %s THEN g.slug::text || ''/'' || o.code::text END, true '
                'FROM public.organization_models AS o '
                'INNER JOIN public.organizations AS g ON o.organization_id = g.id WHERE o.id = ANY($1)',
                CASE
                    WHEN workspace = platform
                        OR to_regprocedure('tenancy_private.offering_access(uuid, uuid, timestamptz)') IS NULL THEN 'true'
                    ELSE '(SELECT a.is_known FROM tenancy_private.offering_access($2, o.id, clock_timestamp()) AS a)'
                END
            ) USING ids, workspace;
    END CASE;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.cost_labels(uuid, text, uuid[]) FROM public;

CREATE FUNCTION tenancy_private.cost_parts(
    workspace uuid, starts_at timestamptz, ends_at timestamptz, dimension text
) RETURNS TABLE (
    kind text, id uuid, provider_id uuid, amount_eur numeric, calls bigint, total_tokens bigint
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    a_day CONSTANT interval := interval '24 hours';
    source record;
    days_from timestamptz;
    days_to timestamptz;
    marked_days timestamptz[];
BEGIN
    source := tenancy_private.cost_sources(workspace, starts_at, ends_at);
    days_from := date_trunc('day', source.whole_from + (a_day - interval '1 microsecond'), 'UTC');
    days_to := greatest(date_trunc('day', source.whole_to, 'UTC'), days_from);
    marked_days := ARRAY(SELECT DISTINCT date_trunc('day', m.hour, 'UTC') FROM unnest(source.marked) AS m (hour));
    RETURN QUERY
    SELECT
        p.kind,
        CASE dimension
            WHEN 'model' THEN p.model_id
            WHEN 'user' THEN p.user_id
            WHEN 'api_key' THEN p.api_key_id
            WHEN 'offering' THEN p.organization_model_id
            ELSE p.instance_id
        END AS id,
        CASE dimension WHEN 'provider' THEN p.provider_id END,
        sum(p.amount_eur),
        sum(p.calls)::bigint,
        sum(p.total_tokens)::bigint
    FROM (
        SELECT
            d.kind, d.provider_id, d.instance_id, d.model_id, d.user_id, d.api_key_id, d.organization_model_id, d.amount_eur,
            d.calls, d.total_tokens
        FROM tenancy_private.cost_day_parts AS d
        WHERE d.workspace_id = workspace AND d.day >= days_from AND d.day < days_to
            AND NOT EXISTS (SELECT FROM unnest(marked_days) AS m (day) WHERE m.day = d.day)
        UNION ALL
        SELECT
            h.kind, h.provider_id, h.instance_id, h.model_id, h.user_id, h.api_key_id, h.organization_model_id, h.amount_eur,
            h.calls, h.total_tokens
        FROM (
            SELECT source.whole_from AS starts, least(days_from, source.whole_to) AS ends
            UNION ALL
            SELECT greatest(days_to, source.whole_from), source.whole_to WHERE days_from <= source.whole_to
            UNION ALL
            SELECT m.day, m.day + a_day FROM unnest(marked_days) AS m (day) WHERE m.day >= days_from AND m.day < days_to
        ) AS r
        INNER JOIN tenancy_private.cost_hour_parts AS h
            ON h.workspace_id = workspace AND r.starts <= h.hour AND r.ends > h.hour
        WHERE NOT EXISTS (SELECT FROM unnest(source.marked) AS m (hour) WHERE m.hour = h.hour)
        UNION ALL
        SELECT
            c.kind, c.provider_id, c.instance_id, c.model_id, c.user_id, c.api_key_id, c.organization_model_id, c.amount_eur,
            c.calls, c.total_tokens
        FROM unnest(source.row_starts, source.row_ends) AS r (starts, ends)
        CROSS JOIN LATERAL (
            SELECT c.* FROM tenancy_private.cost_rows() AS c
            WHERE c.workspace_id = workspace AND c.at >= r.starts AND c.at < r.ends
            OFFSET 0
        ) AS c
    ) AS p
    GROUP BY 1, 2, 3;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.cost_parts(uuid, timestamptz, timestamptz, text) FROM public;

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
