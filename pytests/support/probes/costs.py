"""Costs: their workspaces, their sums, and rollups that equal the rows."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import Question, superuser

# Acme's costs, on both sides of hours, quarters and days, and Bulk's. Each amount is a different power of 2.
_COSTS = (
    ("10 10:15", "acme", 1),
    ("10 11:00", "acme", 4),
    ("10 18:30", "acme", 512),
    ("10 18:45", "acme", 16),
    ("11 09:00", "acme", 8),
    ("12 00:30", "acme", 128),
    ("12 03:00", "acme", 64),
    ("12 07:10", "acme", 32),
    ("12 07:45", "acme", 256),
    ("10 10:15", "bulk", 1024),
    ("11 10:15", "bulk", 2048),
)
_USAGE = (
    "INSERT INTO finops.inference_usage (occurred_at, api_key_id, user_id, model_id, instance_id, total_tokens,"
    " charged_amount_eur, provider_organization_id, consumer_organization_id, organization_model_id) VALUES "
)
_CALL_OF_BULK = (
    "('2026-01-10 {}+00', '{{k_bulk}}', '{{olga}}', '{{m_bulk}}', '{{i_bulk}}', 50, {},"
    " '{{acme}}', '{{bulk}}', '{{o_acme}}')"
)
_FIRST = [
    "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur) VALUES "
    + ", ".join(f"('2026-01-{at}+00', '{{provider}}', '{{i_{whose}}}', {amount})" for at, whose, amount in _COSTS),
    f"{_USAGE} ('2026-01-10 10:20+00', '{{k_acme}}', '{{uma}}', '{{m_acme}}', '{{i_bulk}}', 300, 0.5,"
    f" '{{bulk}}', '{{acme}}', '{{o_bulk}}'), {_CALL_OF_BULK.format('18:15', 0.25)}",
]
# Rows that arrive after the others were added up.
_LATE = [
    "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
    " VALUES ('2026-01-10 10:45+00', '{provider}', '{i_acme}', 2)",
    "UPDATE finops.cost_actual_minute SET bucket_minute = '2026-01-11 20:00+00' WHERE amount_eur = 8",
    f"{_USAGE} {_CALL_OF_BULK.format('11:30', 0.125)}",
    "INSERT INTO finops.inference_usage (occurred_at, api_key_id, charged_amount_eur)"
    " VALUES ('2026-01-12 03:40+00', '{k_acme}', 0.0625)",
]
# As if nothing had been added up yet.
_ANEW = "UPDATE tenancy_private.cost_state SET marked_before = '-infinity', rolled_before = '-infinity'"
ROLLED = "SELECT count(finops.roll_up()) FROM generate_series(1, {})"


def _report(call: str, columns: str, *, order: str = "1") -> str:
    return f"(SELECT string_agg(concat_ws('/', {columns}), ' ' ORDER BY {order}) FROM finops.{call} AS c)"


_SUMS = "c.consumed_eur, c.earned_eur, c.instances_eur, c.inference_eur, c.calls, c.total_tokens"
REPORT = "SELECT " + ", ".join(
    [
        _report("costs_summary('2026-01-10 10:00+00', '2026-01-13 00:00+00')", _SUMS),
        _report("costs_summary('2026-01-10 10:20+00', '2026-01-10 11:00+00')", _SUMS),
        *(
            _report(
                f"costs_series('2026-01-10', '2026-01-13', '{bucket}', '{zone}')",
                f"to_char(timezone('{zone}', c.bucket_start), 'DD/HH24'), c.consumed_eur, c.earned_eur",
                order="c.bucket_start",
            )
            for bucket, zone in (("hour", "UTC"), ("hour", "Asia/Kolkata"), ("DAY", "UTC"), ("day", "Asia/Kolkata"))
        ),
        *(
            _report(
                f"costs_by('2026-01-10 10:20+00', '2026-01-12 07:30+00', '{dimension}')",
                f"c.key, c.name, {_SUMS}",
                order="c.consumed_eur, c.earned_eur",
            )
            for dimension in ("provider", "Instance Type", "instance", "region", "model", "user", "API key", "offering")
        ),
    ]
)
_SEEN = (
    "1023.5625/0.375/1023/0.5625/2/300",
    "2.5/0/2/0.5/1/300",
    "10/10/3.5/0 10/11/4/0.125 10/18/528/0.25 11/20/8/0 12/00/128/0 12/03/64.0625/0 12/07/288/0",
    "10/15/1.5/0 10/16/6/0 10/17/0/0.125 10/23/0/0.25 11/00/528/0 12/01/8/0 12/06/128/0 12/08/64/0 12/09/0.0625/0"
    " 12/12/32/0 12/13/256/0",
    "10/00/535.5/0.375 11/00/8/0 12/00/480.0625/0",
    "10/00/7.5/0.375 11/00/528/0 12/00/488.0625/0",
    # The location of another workspace's instance is hidden.
    "0.5625/0.375/0/0.5625/2/300 {provider}/provider/766/0/766/0/0/0",
    "0.5625/0.375/0/0.5625/2/300 acme/acme/766/0/766/0/0/0",
    "0.0625/0.375/0/0.0625/1/0 {i_bulk}/0.5/0/0/0.5/1/300 {i_acme}/766/0/766/0/0/0",
    "766.5625/0.375/766/0.5625/2/300",
    "{m_bulk}/0/0.375/0/0/0/0 {m_acme}/acme/0.5/0/0/0.5/1/300 766.0625/0/766/0.0625/1/0",
    # A consumer's people and keys are hidden from its provider.
    "{ann}/ann/0.0625/0/0/0.0625/1/0 {uma}/uma/0.5/0/0/0.5/1/300 766/0.375/766/0/0/0",
    "{k_acme}/acme/0.5625/0/0/0.5625/2/300 766/0.375/766/0/0/0",
    "{o_acme}/acme/o_acme/0/0.375/0/0/0/0 {o_bulk}/bulk/o_bulk/0.5/0/0/0.5/1/300 766.0625/0/766/0.0625/1/0",
)
_STATE = (
    "SELECT (SELECT count(*) FROM tenancy_private.cost_hours WHERE hour < '2026-02-01'),"
    " (SELECT count(*) FROM tenancy_private.cost_hour_parts WHERE hour < '2026-02-01'),"
    " (SELECT count(*) FROM tenancy_private.cost_day_parts WHERE day < '2026-02-01'),"
    " (SELECT count(*) FROM tenancy_private.cost_marks WHERE hour < '2026-02-01'),"
    " (SELECT rolled_before = marked_before AND marked_before = date_trunc('hour', now() - interval '2 minutes', 'UTC')"
    " FROM tenancy_private.cost_state)"
)
_NOW = [
    "UPDATE public.instances SET hourly_price_eur = 2",
    "UPDATE public.instances SET status = 'terminated' WHERE id = '{i_old}'",
    "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
    " VALUES (date_trunc('minute', now()), '{provider}', '{i_acme}', 3),"
    " (now() - interval '40 minutes', '{provider}', '{i_acme}', 5),"
    " (now() - interval '26 hours', '{provider}', '{i_acme}', 7)",
]

QUESTIONS: list[Question] = [
    *(
        superuser([*steps, "as app", "enter ann acme", REPORT], [_SEEN])
        for steps in (
            # From the rows, from the rollups, from both, and from repaired rollups.
            [*_FIRST, *_LATE],
            [*_FIRST, *_LATE, ROLLED.format(20)],
            [*_FIRST, ROLLED.format(20), *_LATE],
            [*_FIRST, ROLLED.format(20), *_LATE, ROLLED.format(20)],
            [_ANEW, *_FIRST, *_LATE, ROLLED.format(20)],
        )
    ),
    superuser([_ANEW, *_FIRST, ROLLED.format(20), _STATE], [(11, 14, 10, 0, True)]),
    superuser(
        [
            *_FIRST,
            ROLLED.format(20),
            "DELETE FROM finops.cost_actual_minute",
            "DELETE FROM finops.inference_usage",
            ROLLED.format(20),
            _STATE,
        ],
        [(0, 0, 0, 0, True)],
    ),
    superuser(
        [
            *_FIRST,
            ROLLED.format(20),
            "TRUNCATE finops.cost_actual_minute, finops.inference_usage",
            "as app",
            "enter ann acme",
            REPORT.split(", (SELECT")[0],
        ],
        [("0/0/0/0/0/0",)],
    ),
    ("service", None, None, "SELECT finops.roll_up(0)", "batch_size_invalid"),
    ("service", None, None, "SELECT finops.roll_up(NULL)", "batch_size_invalid"),
    ("app", "ann", "acme", "SELECT finops.roll_up()", "42501"),
    # Running instances and their future costs.
    superuser(
        [
            *_NOW,
            # In a time zone in the afternoon, so that neither the hour nor the day has just begun.
            "SELECT set_config('test.zone',"
            " 'Etc/GMT' || to_char(extract(hour FROM now() AT TIME ZONE 'UTC') - 12, 'FMSG90'), true)",
            "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
            " VALUES (now() - interval '90 minutes', '{provider}', '{i_acme}', 11)",
            "as app",
            "enter ann acme",
            "SELECT c.eur_per_hour, c.running_instances, c.today_eur,"
            " c.today_starts_at = date_trunc('day', now(), current_setting('test.zone'))"
            " FROM finops.cost_current(current_setting('test.zone')) AS c",
        ],
        # Including the 2 of Acme's call of an offering.
        [(2, 1, 21, True)],
    ),
    superuser(
        [
            *_NOW,
            "as app",
            "enter ann acme",
            "SELECT string_agg(concat_ws('/', c.horizon_name, c.eur_per_hour, trim_scale(round(c.forecast_eur, 4))),"
            " ' ') FROM finops.cost_forecast() AS c",
        ],
        [("minute/2/0.0333 hour/2/2 day/2/48 30 days/2/1440 365 days/2/17520",)],
    ),
    superuser(
        [*_NOW, "as app", "enter ann acme", "SELECT c.horizon_name FROM finops.cost_forecast('1 Day') AS c"], [("day",)]
    ),
    *(
        superuser(
            [
                *_NOW,
                "as app",
                "enter ann acme",
                f"SELECT c.instances_eur, c.ends_at = now() FROM finops.costs_window('{span}') AS c",
            ],
            [(sum_, True)],
        )
        for span, sum_ in (("hour", 8), ("DAY", 8), ("30_days", 15))
    ),
    *(
        superuser(
            [
                f"UPDATE public.instances SET {ended} WHERE id = '{{i_acme}}'",
                "as app",
                "enter ann acme",
                "SELECT c.running_instances FROM finops.cost_current() AS c",
            ],
            [(0,)],
        )
        for ended in ("terminated_at = now()", "status = 'terminated'")
    ),
    superuser(
        [
            "INSERT INTO finops.inference_usage (occurred_at, user_id, charged_amount_eur)"
            " VALUES (now() - interval '1 minute', '{uma}', 1)",
            "as app",
            "enter uma None",
            "SELECT c.inference_eur FROM finops.costs_window('day') AS c",
        ],
        [(1,)],
    ),
    # Permissions.
    *(
        ("app", who, "acme", f"SELECT * FROM finops.{call}", answer)
        for who, answer in (("uma", "permission_denied"), (None, "no_context"))
        for call in (
            "cost_current()",
            "cost_forecast()",
            "costs_window('hour')",
            "costs_summary('2026-01-01', '2026-01-02')",
            "costs_series('2026-01-01', '2026-01-02')",
            "costs_by('2026-01-01', '2026-01-02', 'model')",
        )
    ),
    # Arguments.
    *(
        ("app", "ann", "acme", f"SELECT count(*) FROM finops.{call}", answer)
        for call, answer in (
            ("costs_summary('2026-01-02', '2026-01-02')", "range_invalid"),
            ("costs_summary(NULL, '2026-01-02')", "range_invalid"),
            ("costs_summary('1969-12-31', '2026-01-02')", "range_invalid"),
            ("costs_summary('2026-01-02', 'infinity')", "range_invalid"),
            ("costs_series('2026-01-02', '2026-01-01')", "range_invalid"),
            ("costs_by('2026-01-02', '2026-01-01', 'model')", "range_invalid"),
            ("costs_by('2026-01-01', '2026-01-02', 'moon')", "dimension_invalid"),
            ("costs_by('2026-01-01', '2026-01-02', NULL)", "dimension_invalid"),
            ("costs_series('2026-01-01', '2026-01-02', 'week')", "bucket_invalid"),
            ("costs_series('2026-01-01', '2026-01-02', NULL)", "bucket_invalid"),
            ("costs_series('2026-01-01', '2026-01-09', 'minute')", "too_many_buckets"),
            ("costs_series('2026-01-01', '2026-01-07 22:40', 'minute')", [(0,)]),
            ("costs_series('2026-01-01', '2026-01-02', 'day', 'Moon')", "time_zone_invalid"),
            ("cost_current('Moon')", "time_zone_invalid"),
            ("cost_forecast('week')", "span_invalid"),
            ("costs_window(NULL)", "span_invalid"),
            ("costs_window('1 hour')", [(1,)]),
        )
    ),
]
