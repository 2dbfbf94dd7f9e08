"""The old platform: its tables, its rows, and the application that keeps using them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import compress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from pg_tenancy.tools.demo.data import COLUMNS, Platform

if TYPE_CHECKING:
    from typing_extensions import LiteralString

__all__ = ["GROWN", "QUERIES", "OldApplication", "Seen", "Shape", "create_tables", "fill"]

Connection = psycopg.Connection[tuple[Any, ...]]

# Grown over the years: older tables have keys, newer ones have none, and only a few foreign keys are declared.
_TABLES: Final[LiteralString] = """
CREATE SCHEMA finops;
CREATE TABLE public.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(320) NOT NULL, username varchar(80),
    first_name varchar(80), last_name varchar(80), password_hash text, role varchar(20) NOT NULL DEFAULT 'user',
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE public.organizations (
    id uuid DEFAULT gen_random_uuid(), name varchar(200) NOT NULL, slug varchar(80), created_by_user_id uuid,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE TABLE public.organization_memberships (
    organization_id uuid, user_id uuid, role varchar(20) DEFAULT 'user', created_at timestamptz DEFAULT now()
);
CREATE TABLE public.providers (id uuid PRIMARY KEY, name varchar(100) NOT NULL);
CREATE TABLE public.provider_settings (
    id uuid PRIMARY KEY, provider_id uuid NOT NULL REFERENCES public.providers (id), key varchar(100) NOT NULL,
    value_int integer, value_bool boolean, value_text text, value_json jsonb
);
CREATE TABLE public.models (
    id uuid PRIMARY KEY, name varchar(200) NOT NULL, model_id varchar(200) NOT NULL, required_vram_gb integer,
    context_length integer, is_active boolean NOT NULL DEFAULT true, metadata jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE public.instances (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider_id uuid NOT NULL REFERENCES public.providers (id),
    model_id uuid, status varchar(20) NOT NULL, ip_address inet, gpu_profile varchar(40),
    hourly_price_eur numeric(10, 4), created_at timestamptz NOT NULL DEFAULT now(), terminated_at timestamptz
);
CREATE TABLE public.api_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES public.users (id),
    name varchar(100) NOT NULL, key_prefix varchar(20) NOT NULL, key_hash varchar(64) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), last_used_at timestamptz, revoked_at timestamptz
);
CREATE TABLE public.organization_models (
    id uuid, organization_id uuid, model_id uuid, name varchar(200), code varchar(80), description text,
    is_active boolean
);
CREATE TABLE public.organization_model_shares (
    id uuid, provider_organization_id uuid, consumer_organization_id uuid, organization_model_id uuid,
    status varchar(20), pricing jsonb, starts_at timestamptz, ends_at timestamptz
);
CREATE TABLE finops.inference_usage (
    id uuid, occurred_at timestamptz, customer_id uuid, api_key_id uuid, model_id uuid, instance_id uuid,
    input_tokens integer, output_tokens integer, total_tokens integer,
    unit_price_eur_per_1k_tokens numeric(12, 6), charged_amount_eur numeric(14, 6),
    provider_organization_id uuid, consumer_organization_id uuid, organization_model_id uuid
);
CREATE TABLE finops.cost_actual_minute (
    bucket_minute timestamptz, provider_id uuid, instance_id uuid, amount_eur numeric(14, 6)
);
"""

# The old application's queries.
QUERIES: Final[dict[str, LiteralString]] = {
    "its largest customers": """
        SELECT u.email, sum(i.charged_amount_eur) FROM finops.inference_usage AS i
        INNER JOIN public.users AS u ON i.customer_id = u.id GROUP BY u.email ORDER BY 2 DESC, 1 LIMIT 20
    """,
    "the people of each organization": """
        SELECT o.slug, m.role, count(*) FROM public.organizations AS o
        INNER JOIN public.organization_memberships AS m ON o.id = m.organization_id
        INNER JOIN public.users AS u ON m.user_id = u.id GROUP BY o.slug, m.role ORDER BY 1, 2
    """,
    "what runs where, and what it costs": """
        SELECT p.name, i.gpu_profile, count(*), sum(i.hourly_price_eur) FROM public.instances AS i
        INNER JOIN public.providers AS p ON i.provider_id = p.id
        WHERE i.status = 'ready' GROUP BY p.name, i.gpu_profile ORDER BY 1, 2
    """,
    "which models run, and how often": """
        SELECT m.model_id, m.is_active, count(*) FROM public.models AS m
        LEFT JOIN public.instances AS i ON m.id = i.model_id AND i.status = 'ready'
        GROUP BY m.model_id, m.is_active ORDER BY 1
    """,
    "the keys that are in use": """
        SELECT u.username, k.name, k.key_prefix, k.last_used_at FROM public.api_keys AS k
        INNER JOIN public.users AS u ON k.user_id = u.id
        WHERE k.revoked_at IS NULL AND k.last_used_at IS NOT NULL ORDER BY k.last_used_at DESC, k.id LIMIT 50
    """,
    "the costs of a month": """
        SELECT date_trunc('day', c.bucket_minute, 'UTC'), sum(c.amount_eur) FROM finops.cost_actual_minute AS c
        WHERE c.bucket_minute >= '2025-03-01Z' AND c.bucket_minute < '2025-04-01Z' GROUP BY 1 ORDER BY 1
    """,
}

# Its writes. Each must change exactly one row.
_WRITES: Final[tuple[LiteralString, ...]] = (
    "INSERT INTO public.users (id, email) VALUES (%(new)s, 'new@example.com')",
    "INSERT INTO public.organizations (id, name, slug, created_by_user_id) VALUES (%(new_too)s, 'New', 'new', %(new)s)",
    "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
    " VALUES (%(new_too)s, %(new)s, 'owner')",
    "UPDATE public.users SET last_name = 'New' WHERE id = %(new)s",
    "INSERT INTO public.api_keys (id, user_id, name, key_prefix, key_hash)"
    " VALUES (%(new)s, %(new)s, 'ci', 'gpk_new', 'x')",
    "UPDATE public.api_keys SET last_used_at = now() WHERE key_prefix = 'gpk_new' AND revoked_at IS NULL",
    "UPDATE public.api_keys SET revoked_at = now() WHERE id = %(new)s",
    "UPDATE public.api_keys SET name = 'old' WHERE id = (SELECT id FROM public.api_keys ORDER BY id LIMIT 1)",
    "INSERT INTO public.models (id, name, model_id) VALUES (%(new)s, 'New', 'new/new')",
    "UPDATE public.models SET is_active = false, metadata = '{\"quantized\": true}' WHERE id = %(new)s",
    "INSERT INTO public.instances (id, provider_id, model_id, status, gpu_profile)"
    " SELECT %(new)s, p.id, %(new)s, 'provisioning', '\"1x L4 24GB\"' FROM public.providers AS p ORDER BY p.id LIMIT 1",
    "UPDATE public.instances SET status = 'ready', ip_address = '10.9.9.9' WHERE id = %(new)s",
    "UPDATE public.instances SET model_id = (SELECT id FROM public.models ORDER BY model_id LIMIT 1)"
    " WHERE id = %(new)s AND status = 'ready'",
    "DELETE FROM public.models WHERE id = %(new)s",
    "UPDATE public.instances SET status = 'terminated', terminated_at = now() WHERE id = %(new)s",
    "DELETE FROM public.instances WHERE id = %(new)s",
    "DELETE FROM public.api_keys WHERE id = %(new)s",
    "UPDATE public.instances SET status = 'terminated', terminated_at = now()"
    " WHERE id = (SELECT id FROM public.instances ORDER BY id LIMIT 1)",
    "DELETE FROM public.provider_settings WHERE id = (SELECT id FROM public.provider_settings ORDER BY id LIMIT 1)",
)
_NEW: Final = {"new": UUID(int=1, version=4), "new_too": UUID(int=2, version=4)}


@dataclass(frozen=True)
class Shape:
    """A variant of the platform.

    Attributes:
        tables: SQL that creates the tables.
        columns: the generated columns that it has, by table, in the order of ``COLUMNS``.
        queries: its application's queries.
        prepare: called between creating the tables and filling them.
        mend: the statements that the deploy's warnings ask the owner for.

    """

    tables: LiteralString
    columns: dict[str, str]
    queries: dict[str, LiteralString]
    prepare: Callable[[Connection, Platform], None] | None = None
    mend: tuple[LiteralString, ...] = ()


GROWN: Final = Shape(_TABLES, COLUMNS, QUERIES)


@dataclass(frozen=True)
class Seen:
    """What the old application sees at one moment.

    Attributes:
        rows: the number of rows of each table.
        contents: a checksum of each table's rows.
        answers: the results of its queries.
        failures: the server's errors.

    """

    rows: dict[str, int] = field(default_factory=dict)
    contents: dict[str, Decimal] = field(default_factory=dict)
    answers: dict[str, Sequence[tuple[Any, ...]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def create_tables(connection: Connection, shape: Shape) -> None:
    """Create the tables, as their owner."""
    connection.execute(shape.tables)


def fill(connection: Connection, platform: Platform, shape: Shape) -> None:
    """Load the rows, with COPY."""
    if shape.prepare is not None:
        shape.prepare(connection, platform)
    with connection.cursor() as cursor:
        for table, rows in platform.rows.items():
            present = [name in shape.columns[table].split() for name in COLUMNS[table].split()]
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(_identifier(table), _columns(shape, table))
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(tuple(compress(row, present)))
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(map(_identifier, platform.rows))))


class OldApplication:
    """The application without tenancy, with a connection that stays open during the migration.

    Args:
        dsn: its login's DSN.
        shape: the variant of its tables.

    """

    def __init__(self, dsn: str, shape: Shape = GROWN) -> None:
        self._dsn = dsn
        self._shape = shape
        self._connection = psycopg.connect(dsn)

    def __enter__(self) -> OldApplication:
        """Connect."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connection."""
        self._connection.close()

    def look(self) -> Seen:
        """Count, read and write everything, over the old connection and over a new one."""
        seen = self._look(self._connection)
        with psycopg.connect(self._dsn) as fresh:
            again = self._look(fresh, contents=False)
        if (again.rows, again.answers, again.failures) != (seen.rows, seen.answers, seen.failures):
            seen.failures.append("a new connection of the old application does not see the same as its old one")
        return seen

    def _look(self, connection: Connection, *, contents: bool = True) -> Seen:
        seen = Seen()
        checksum = sql.SQL("coalesce(sum(hashtextextended(t::text, 0)), 0)" if contents else "0")
        try:
            for table in self._shape.columns:
                only = sql.SQL("(SELECT {} FROM {})").format(_columns(self._shape, table), _identifier(table))
                query = sql.SQL("SELECT count(*), {} FROM {} AS t").format(checksum, only)
                seen.rows[table], seen.contents[table] = connection.execute(query).fetchall()[0]
            for name, question in self._shape.queries.items():
                seen.answers[name] = connection.execute(question).fetchall()
            connection.commit()
            for statement in _WRITES:
                changed = connection.execute(statement, _NEW).rowcount
                if changed != 1:
                    seen.failures.append(f"changed {changed} rows instead of one: {statement}")
            # Deferred constraints too, because of the ROLLBACK.
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except psycopg.Error as error:
            seen.failures.append(str(error).strip())
        finally:
            connection.rollback()
        return seen


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


def _columns(shape: Shape, table: str) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, shape.columns[table].split()))
