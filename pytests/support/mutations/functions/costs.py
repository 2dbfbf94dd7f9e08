"""Costs, and their rollups."""

from __future__ import annotations

_RANGE = "timestamp with time zone,timestamp with time zone"
_ASKS = "PERFORM tenancy.require_permission('finops.view');"
_IN_RANGE = "PERFORM tenancy_private.require_range(starts_at, ends_at);"
_THESE = "WHERE h.workspace_id = w.id AND h.hour = w.hour;\n"
_UNMARKED = "AND NOT EXISTS (SELECT FROM unnest(source.marked) AS m (hour) WHERE m.hour = h.hour)"

CHANGES = {
    f"tenancy_private.require_range({_RANGE})": [
        ("starts_at >= '1970-01-01 00:00:00+00' AND ", ""),
        (" AND ends_at <= '9999-01-01 00:00:00+00'", ""),
        (" AND starts_at < ends_at", ""),
    ],
    "tenancy_private.require_time_zone(text)": [("PERFORM timezone(zone,", "PERFORM timezone('UTC',")],
    f"tenancy_private.require_bucket(text,{_RANGE})": [
        ("IF seconds IS NULL", "IF false"),
        ("> seconds::numeric * buckets_at_most", "> seconds::numeric * 1000000000"),
        ("> seconds::numeric * buckets_at_most", ">= seconds::numeric * buckets_at_most"),
    ],
    "tenancy_private.require_dimension(text)": [("word IN ('provider',", "word IS NOT NULL OR word IN ('provider',")],
    "tenancy_private.require_span(text)": [("RETURN word;\n    END IF;", "END IF;\n    RETURN word;")],
    "tenancy_private.cost_rows()": [
        ("'earned', NULL, NULL,", "'earned', NULL, u.instance_id,"),
        ("u.model_id, NULL, NULL,\n", "u.model_id, u.user_id, NULL,\n"),
        ("u.model_id, NULL, NULL,\n", "u.model_id, NULL, u.api_key_id,\n"),
        ("u.provider_organization_id, u.occurred_at, 'earned'", "u.workspace_id, u.occurred_at, 'earned'"),
    ],
    f"tenancy_private.cost_sources(uuid,{_RANGE})": [
        ("starts_at + (an_hour - interval '1 microsecond')", "starts_at"),
        ("date_trunc('hour', ends_at, 'UTC')", "ends_at"),
        ("m.workspace_id = workspace AND", "m.workspace_id <> workspace AND"),
        ("|| marked", "|| marked[2:]"),
        ("ARRAY[starts_at, whole_to] ||", "ARRAY[starts_at, ends_at] ||"),
        ("ARRAY[starts_at, whole_to] ||", "ARRAY[whole_from, whole_to] ||"),
    ],
    f"tenancy_private.cost_totals(uuid,{_RANGE},text,text)": [
        (
            "% 3600 <> extract(EPOCH FROM d.instant) % 3600",
            "% 3600 <> extract(EPOCH FROM timezone(time_zone, d.instant)) % 3600",
        ),
        ("h.workspace_id = workspace AND ", ""),
        (_UNMARKED, ""),
        ("c.workspace_id = workspace AND ", ""),
        ("c.at >= r.starts AND", "c.at > r.starts AND"),
        ("c.at < r.ends", "c.at <= r.ends"),
        ("WHERE is_split\n", "WHERE false\n"),
        ("NOT is_split\n", "true\n"),
        ("bucket = 'hour' AND NOT is_split", "bucket = 'hour'"),
        ("WHERE is_whole\n", "WHERE false\n"),
        ("WHERE NOT is_whole\n", "WHERE true\n"),
        ("5 * q.number + 3]", "5 * q.number + 2]"),
        ("h.quarters[5 * q.number + 1], h.quarters", "h.quarters[5 * q.number + 2], h.quarters"),
        ("interval '15 minutes'", "interval '10 minutes'"),
    ],
    "tenancy_private.cost_labels(uuid,text,uuid[])": [
        ("m.workspace_id IN (workspace, platform) OR workspace = platform", "true"),
        ("m.user_id = u.id AND m.organization_id = workspace", "false"),
    ],
    f"tenancy_private.cost_parts(uuid,{_RANGE},text)": [
        ("d.workspace_id = workspace AND ", ""),
        ("h.workspace_id = workspace AND ", ""),
        ("c.workspace_id = workspace AND ", ""),
        ("AND NOT EXISTS (SELECT FROM unnest(marked_days) AS m (day) WHERE m.day = d.day)", ""),
        ("WHERE NOT EXISTS (SELECT FROM unnest(source.marked) AS m (hour) WHERE m.hour = h.hour)", ""),
        ("AND d.day < days_to", "AND d.day <= days_to"),
        ("r.ends > h.hour", "r.ends >= h.hour"),
        ("SELECT greatest(days_to, source.whole_from), source.whole_to", "SELECT days_to, days_to"),
    ],
    "finops.is_running(text)": [("'terminated'::text, ", "")],
    "tenancy_private.burn_rate(uuid)": [
        ("i.workspace_id = workspace AND ", ""),
        ("i.terminated_at IS NULL AND ", ""),
        (" AND finops.is_running(i.status::text)", ""),
    ],
    "finops.cost_current(text)": [
        (_ASKS, ""),
        ("date_trunc('day', now(), zone)", "date_trunc('hour', now(), zone)"),
        ("now() + interval '1 microsecond'", "date_trunc('minute', now())"),
    ],
    f"finops.costs_summary({_RANGE})": [(_ASKS, ""), (_IN_RANGE, "")],
    "finops.costs_window(text)": [
        ("finops.costs_summary(now() - s.length, now())", "finops.costs_summary(now() - 2 * s.length, now())"),
    ],
    f"finops.costs_series({_RANGE},text,text)": [
        (_ASKS, ""),
        (_IN_RANGE, ""),
        ("bucket := tenancy_private.require_bucket(bucket, starts_at, ends_at);", ""),
    ],
    f"finops.costs_by({_RANGE},text)": [
        (_ASKS, ""),
        (_IN_RANGE, ""),
        (" AND (l.is_own OR p.kind = 'instances')", ""),
        ("FILTER (WHERE n.kind <> 'earned')", ""),
    ],
    "finops.cost_forecast(text)": [
        (_ASKS, ""),
        ("word := tenancy_private.require_span(horizon);", "word := horizon;"),
        ("WHERE word IS NULL OR s.span = word", ""),
        ("b.eur_per_hour / 60", "b.eur_per_hour"),
    ],
    "tenancy_private.roll_up_hours(uuid[],timestamp with time zone[])": [
        (f"{_THESE}    DELETE", "WHERE false;\n    DELETE"),
        (f"{_THESE}    WITH", "WHERE false;\n    WITH"),
        ("c.workspace_id = w.id AND ", ""),
        ("c.at >= w.hour AND", "c.at > w.hour AND"),
        ("c.at < w.hour + interval '1 hour'", "c.at <= w.hour + interval '1 hour'"),
        ("/ 900)", "/ 600)"),
        ("+ interval '24 hours' <= rolled_before", "+ interval '24 hours' > rolled_before"),
        ("d.id = h.workspace_id AND ", ""),
        ("d.day + interval '24 hours' > h.hour", "d.day + interval '24 hours' >= h.hour"),
    ],
    "finops.roll_up(integer)": [
        ("IF NOT coalesce(batch_size BETWEEN 1 AND 100000, false) THEN", "IF false THEN"),
        ("coalesce(batch_size BETWEEN 1 AND 100000, false)", "coalesce(batch_size BETWEEN 1 AND 100000, true)"),
        ("PERFORM tenancy_private.roll_up_hours(workspaces, hours);", ""),
        ("now() - interval '2 minutes'", "now() - interval '2 days'"),
        ("WHERE m.hour < state.rolled_before", "WHERE false"),
        ("UPDATE tenancy_private.cost_state SET rolled_before = next_before;", ""),
        ("UPDATE tenancy_private.cost_state SET marked_before = target;", ""),
    ],
    "tenancy_private.set_cost_workspace()": [
        ("WHERE i.id = new.instance_id", "WHERE i.id <> new.instance_id"),
    ],
    "tenancy_private.set_usage_workspace()": [
        ("coalesce(new.consumer_organization_id, keys_workspace)", "keys_workspace"),
        ("coalesce(new.consumer_organization_id, keys_workspace)", "new.consumer_organization_id"),
        ("new.workspace_id := new.user_id;", ""),
    ],
    "tenancy_private.mark_costs()": [
        ("IF EXISTS (", "IF NOT EXISTS ("),
        ("FROM changed_from AS c", "FROM changed AS c"),
        ("IF tg_op = 'UPDATE' THEN", "IF false THEN"),
    ],
    "tenancy_private.mark_usage()": [
        ("IF EXISTS (", "IF NOT EXISTS ("),
        ("(VALUES (c.workspace_id), (c.provider_organization_id))", "(VALUES (c.workspace_id))"),
        ("(VALUES (c.workspace_id), (c.provider_organization_id))", "(VALUES (c.provider_organization_id))"),
    ],
    "tenancy_private.mark_all_costs()": [
        ("FROM tenancy_private.cost_hours AS h", "FROM tenancy_private.cost_hours AS h WHERE false")
    ],
}
