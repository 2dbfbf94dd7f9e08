"""The console on the demonstration's data, with a login for each role."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from pg_tenancy.console import console_app, hash_password, prepare

if TYPE_CHECKING:
    import psycopg
    from starlette.applications import Starlette

    from pg_tenancy.tools.demo.data import Person
    from pg_tenancy.tools.demo.place import Place
    from pg_tenancy.tools.demo.truth import Cast

__all__ = ["Shown", "console_of"]


@dataclass(frozen=True)
class Shown:
    """A console to serve, and the people who can log in.

    Attributes:
        people: role, e-mail address and organization of each.
        password: the password of all of them.
    """

    app: Starlette
    people: list[tuple[str, str, str]]
    password: str


# The migrated rows are too old for the dashboard, so it gets recent costs, settings with secrets and an offering.
_RECENT: Final = """
INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)
SELECT date_trunc('hour', now()) - number * interval '1 hour', i.provider_id, i.id,
    round((2 + sin(number / 24.0) + number %% 7 / 10.0)::numeric, 6)
FROM (SELECT id, provider_id FROM public.instances WHERE workspace_id = %(first)s ORDER BY id LIMIT 3) AS i
CROSS JOIN generate_series(1, 29 * 24) AS number
"""
_SETTINGS: Final = (
    "SELECT tenancy.define_setting('max_instances', 'int', 'subject', '10', 1, 500)",
    "SELECT tenancy.define_setting('spot_allowed', 'bool', 'subject', 'false')",
    "SELECT tenancy.define_setting('region', 'text', 'subject')",
    "SELECT tenancy.define_setting('access_key', 'text', 'subject', secret => true)",
    "SELECT tenancy.define_setting('greeting', 'text', 'organization', '\"Welcome\"',"
    " description => 'Shown above the dashboard')",
)
_OFFERED: Final = (
    "SELECT tenancy.publish_offering(%s, 'assistant', 'Assistant', 'public', 'request_required', eur_per_1k => 0.02)"
)


@contextmanager
def console_of(place: Place, cast: Cast) -> Iterator[Shown]:
    """Prepare the console for the demonstration's database; the end of the block undoes it.

    Args:
        place: the demonstration's place.
        cast: its people.
    """
    names = {"login": f"console_{place.database}", "authenticator": f"authenticator_{place.database}"}
    password = secrets.token_urlsafe(9)
    made = prepare(place.deployer.dsn, **names)
    try:
        people = {
            "owner": cast.owner,
            "admin": cast.admin,
            "manager": cast.manager,
            "user": cast.user,
            "owner of another": cast.other_owner,
            "platform staff": cast.staff,
            "in no organization": cast.nobody,
        }
        with place.connect() as connection:
            kept = hash_password(password)
            for person in people.values():
                connection.execute("UPDATE public.users SET password_hash = %s WHERE id = %s", [kept, person.id])
            _fill(connection, cast)
        with place.connect(place.app) as application:
            _offer(application, cast.other_owner, cast)
        app = console_app(made.dsn, authenticator=made.authenticator, ticket_key=made.ticket_key, secure=False)
        where = {"owner of another": cast.second.name, "platform staff": cast.second.name, "in no organization": "-"}
        yield Shown(
            app, [(what, each.email, where.get(what, cast.first.name)) for what, each in people.items()], password
        )
    finally:
        with place.connect() as connection:
            for name in names.values():
                for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
                    connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _fill(connection: psycopg.Connection[Any], cast: Cast) -> None:
    connection.execute(_RECENT, {"first": cast.first.id})
    connection.execute("SELECT finops.roll_up()")
    for statement in _SETTINGS:
        connection.execute(statement.encode())


def _offer(application: psycopg.Connection[Any], person: Person, cast: Cast) -> None:
    """Publish another organization's model, so that the catalog is not empty."""
    with application.transaction():
        application.execute("SELECT tenancy.enter(%s, %s)", [person.id, cast.second.id])
        model = application.execute("SELECT id FROM public.models WHERE organization_id IS NOT NULL").fetchall()[0]
        ((offering,),) = application.execute(_OFFERED, model).fetchall()
        for aspect in ("tech", "eco"):
            application.execute("SELECT tenancy.activate('offering', %s, %s)", [offering, aspect])
    with application.transaction():
        application.execute("SELECT tenancy.enter(%s, %s)", [cast.owner.id, cast.first.id])
        for email, role in (("ada@example.org", "admin"), ("kim@example.net", "user")):
            application.execute("SELECT FROM tenancy.invite_member(%s, %s)", [email, role])
        application.execute("SELECT tenancy.update_organization(color => '#0f766e')")
