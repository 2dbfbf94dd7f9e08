"""Databases at a point of the plan, with the tables of any application.

Each is created once a run, from one with the same tables and less of the plan, so that little is
deployed twice. Tests get copies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from support.platform import KEYLESS, ROWS
from support.replay import PLAN, Replay, position

if TYPE_CHECKING:
    from support.database import Database
    from support.server import Server

__all__ = ["all_rows", "on_the_way_down", "state_of"]

# Tests use these at every tag, so a template is made at each on the way. Others they use at few tags, and copies at all
# of them would take half as long as the deploy itself.
_AT_EVERY_TAG = ("", KEYLESS + ROWS)


def state_of(server: Server, tables: str, at: str | None, owned: bool) -> str:
    """Return the name of the template that ``Server.state`` describes, and create it if necessary."""
    base = hashlib.sha256(f"{owned} {tables}".encode()).hexdigest()[:8] if tables or owned else "empty"
    last = position(at)
    if last == 0:
        owner = server.login(f"owner_{base}") if owned else None
        return server.once(f"state_{base}_00", lambda building: building.fill(tables, owner))
    return server.once(
        f"state_{base}_{last:02}",
        lambda building: Replay(building).deploy(PLAN[last - 1].script),
        lambda: _before(server, tables, last, owned, f"state_{base}_"),
    )


def _before(server: Server, tables: str, last: int, owned: bool, kind: str) -> str:
    """Return the name of a template with fewer changes than ``last``."""
    if tables in _AT_EVERY_TAG and not owned:
        before = max((number for number, change in enumerate(PLAN[: last - 1], start=1) if change.tags), default=0)
    else:
        before = max((number for number in server.numbers(kind) if number < last), default=0)
    return state_of(server, tables, PLAN[before - 1].script if before else None, owned)


def on_the_way_down(database: Database, stops: Sequence[str | None]) -> dict[str | None, Database]:
    """Revert a database from stop to stop, and return a copy of it at each.

    Args:
        database: deployed further than the first stop.
        stops: tags, and None for nothing deployed, the latest first.

    """
    copies = {}
    for to in stops:
        Replay(database).revert(to)
        copies[to] = database.server.create(database.name)
    return copies


def all_rows(database: Database) -> dict[str, list[str]]:
    """Return the rows of each table except sqitch's, without times and random values.

    Two databases with the same schema and these same rows behave alike in later deploys.
    """
    columns = database.fetch(
        """
        SELECT c.oid::regclass::text, coalesce(
            array_agg(a.attname::text) FILTER (
                WHERE a.atttypid IN ('timestamptz'::regtype, 'bytea'::regtype)
                    OR (c.oid::regclass::text, a.attname) = ('tenancy_private.seal_keys', 'id')
            ), '{}'
        )
        FROM pg_class AS c INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND c.oid >= 16384
            AND c.relnamespace IS DISTINCT FROM to_regnamespace('sqitch')
        GROUP BY c.oid
        """
    )
    return database.values({name: f"to_jsonb(t) - '{{{','.join(left_out)}}}'::text[]" for name, left_out in columns})
