-- Deploy pg-tenancy:platform/cost_totals to pg
-- requires: platform/cost_actual_minute_workspaces
-- requires: platform/inference_usage_workspaces

\set change platform/cost_totals
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
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

\ir ../../notes/done.psql
COMMIT;
