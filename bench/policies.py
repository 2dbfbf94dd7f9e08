"""The cost of isolation: the shipped tables with the shipped policies, and without policies.

Each statement runs as the application's login in a workspace, and as a login that bypasses
row-level security and names the tenant in its WHERE. Client and server are pinned to one core
and the two take turns, so that other load affects both.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.chart import chart
from bench.platform import LOGIN, MEMBERS, PLAIN_LOGIN, Platform, Tenant, platform
from bench.timing import Libpq, Times, compare, pin

_POINT = "SELECT status, gpu_profile FROM public.instances WHERE id = $1::uuid"
_LATEST = "SELECT id, status, gpu_profile FROM public.instances {} ORDER BY created_at DESC LIMIT 20"
_TOTALS = "SELECT status, count(*), max(created_at) FROM public.instances {} GROUP BY status"
_UPDATE = "UPDATE public.instances SET gpu_profile = 'H200' WHERE id = $1::uuid"
_USER = "SELECT u.email, u.username FROM public.users AS u {} WHERE u.id = $1::uuid"
_JOIN = "INNER JOIN public.organization_memberships AS m ON u.id = m.user_id AND m.organization_id = $2::uuid"
_MEMBER = "SELECT m.email, m.username FROM tenancy.member($1::uuid) AS m"
_ENTER = "SELECT tenancy.enter($1::uuid, $2::uuid)"

Row = tuple[str, Times]


class Bench:
    """The two logins' connections to a platform, and the measurements."""

    def __init__(self, on: Platform, turns: int) -> None:
        self._on = on
        self._turns = turns
        self._protected = Libpq(on.server.dsn(user=LOGIN))
        self._plain = Libpq(on.server.dsn(user=PLAIN_LOGIN))

    def close(self) -> None:
        """Close the connections."""
        self._protected.close()
        self._plain.close()

    def statements(self) -> Iterator[Row]:
        """Measure single statements within a transaction."""
        for name, kind in (("one row by id", "small"), ("the same, giant", "giant")):
            tenant = self._on.named[kind]
            ids = itertools.cycle([(instance,) for instance in tenant.instances])
            yield name, self._read(tenant, _POINT, f"{_POINT} AND workspace_id = $2::uuid", ids.__next__)
        for name, kind in (
            ("latest 20 of 2,000", "small"),
            ("latest 20 of 50,000", "large"),
            ("the same, giant", "giant"),
        ):
            tenant = self._on.named[kind]
            yield name, self._read(tenant, _LATEST.format(""), _LATEST.format("WHERE workspace_id = $1::uuid"))
        tenant = self._on.named["middle"]
        plain = _TOTALS.format("WHERE workspace_id = $1::uuid")
        yield "aggregate over 10,000", self._read(tenant, _TOTALS.format(""), plain, turns=30, block=2)
        tenant, plain = self._on.named["large"], _USER.format(_JOIN)
        for name, query in (("a user by id", _USER.format("")), ("a member by id", _MEMBER)):
            yield f"{name}, of {MEMBERS:,}", self._read(tenant, query, plain, lambda: (tenant.owner,))

    def writes(self) -> Iterator[Row]:
        """Measure writes; each block is rolled back."""
        tenant, provider = self._on.named["small"], self._on.provider
        ids = itertools.cycle(tenant.instances)
        columns = (
            "INSERT INTO public.instances (provider_id, status, gpu_profile{}) VALUES ($1::uuid, 'stopped', 'H100'{})"
        )
        yield (
            "insert a row",
            self._pair(
                tenant,
                lambda: self._plain.execute(
                    columns.format(", workspace_id, organization_id", ", $2::uuid, $2::uuid"),
                    provider,
                    tenant.organization,
                ),
                lambda: self._protected.execute(columns.format("", ""), provider),
            ),
        )
        yield (
            "update a row",
            self._pair(
                tenant,
                lambda: self._plain.execute(f"{_UPDATE} AND workspace_id = $2::uuid", next(ids), tenant.organization),
                lambda: self._protected.execute(_UPDATE, next(ids)),
            ),
        )

    def transactions(self) -> Iterator[Row]:
        """Measure whole transactions."""
        tenant = self._on.named["small"]
        ids = itertools.cycle(tenant.instances)
        identity = (tenant.owner, tenant.organization)
        point = f"{_POINT} AND workspace_id = $2::uuid"

        def enter() -> None:
            self._protected.pipeline(("BEGIN", ()), (_ENTER, identity), ("COMMIT", ()))

        def nothing() -> None:
            self._plain.pipeline(("BEGIN", ()), ("SELECT $1::uuid, $2::uuid", identity), ("COMMIT", ()))

        def entered() -> None:
            self._protected.pipeline(("BEGIN", ()), (_ENTER, identity), (_POINT, (next(ids),)), ("COMMIT", ()))

        def plain() -> None:
            self._plain.pipeline(("BEGIN", ()), (point, (next(ids), tenant.organization)), ("COMMIT", ()))

        pids = (self._plain.pid, self._protected.pid)
        yield "enter()", compare(nothing, enter, pids=pids, turns=self._turns)
        yield "transaction, libpq pipeline", compare(plain, entered, pids=pids, turns=self._turns)

    def _read(
        self,
        tenant: Tenant,
        protected: str,
        plain: str,
        values: Callable[[], tuple[object, ...]] = tuple,
        **how: int,
    ) -> Times:
        return self._pair(
            tenant,
            lambda: self._plain.execute(plain, *values(), tenant.organization),
            lambda: self._protected.execute(protected, *values()),
            **how,
        )

    def _pair(self, tenant: Tenant, plain: Callable[[], object], protected: Callable[[], object], **how: int) -> Times:
        def begin() -> None:
            self._plain.execute("BEGIN")
            self._protected.pipeline(("BEGIN", ()), (_ENTER, (tenant.owner, tenant.organization)))

        def roll_back() -> None:
            self._plain.execute("ROLLBACK")
            self._protected.execute("ROLLBACK")

        return compare(
            plain,
            protected,
            pids=(self._plain.pid, self._protected.pid),
            around=(begin, roll_back),
            **{"turns": self._turns, **how},
        )


def _print(name: str, times: Times) -> None:
    wall = f"{times.plain:10.0f}{times.protected:11.0f}{times.added:10.0f}{times.ratio:8.2f}"
    print(f"{name:28}{wall}{times.added_cpu:14.0f}{times.ratio_cpu:8.2f}", flush=True)


def main() -> None:
    """Measure, print a table for each number of tenants, and draw a picture."""
    parser = argparse.ArgumentParser(prog="bench policies", description=__doc__)
    parser.add_argument("--tenants", type=int, nargs="+", default=[10, 1000], help="organizations (default 10 1000)")
    parser.add_argument(
        "--rows", type=int, default=100, help="instances of each organization that is not measured (default 100)"
    )
    parser.add_argument("--turns", type=int, default=200, help="blocks of 10 runs of each statement (default 200)")
    parser.add_argument("--picture", type=Path, help="an SVG file to write")
    arguments = parser.parse_args()

    pinned = pin()
    measured: dict[str, list[Row]] = {}
    for tenants in arguments.tenants:
        with platform(tenants, arguments.rows) as on:
            title = f"PostgreSQL {on.server.version}, {tenants:,} tenants, {on.rows:,} instances"
            print(f"{title}, {'one core' if pinned else 'not pinned'}; medians in microseconds")
            print(f"{'':28}{'plain':>10}{'protected':>11}{'added':>10}{'ratio':>8}{'server: added':>14}{'ratio':>8}")
            bench = Bench(on, arguments.turns)
            rows = measured[title] = []
            for row in itertools.chain(bench.statements(), bench.writes(), bench.transactions()):
                _print(*row)
                rows.append(row)
            bench.close()
    if arguments.picture:
        arguments.picture.write_text(chart(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
