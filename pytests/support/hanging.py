"""Objects that depend on an application's tables: triggers, sequences, defaults, generated columns, constraints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import Replay
from support.scripts import ScriptError, everything

__all__ = ["AUDITED", "HANGING", "NUMBERED", "TRIGGERED", "State", "refused"]

State = Callable[..., Database]

# Functions that write tables of the application, with every kind of name: unqualified, qualified, resolved by the
# function's own search_path, in a called function, and in a trigger of the written table.
AUDITED = """
CREATE SCHEMA audit;
CREATE TABLE public.trail (
    id bigserial PRIMARY KEY, what text NOT NULL, login text NOT NULL DEFAULT current_user
);
CREATE TABLE audit.entries (id serial PRIMARY KEY, what text NOT NULL, login text NOT NULL DEFAULT current_user);
CREATE TABLE audit.totals (what text PRIMARY KEY, number bigint NOT NULL);
CREATE TABLE audit.calls (what text NOT NULL, login text NOT NULL DEFAULT current_user);

CREATE FUNCTION public.note_unqualified() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trail (what) VALUES (tg_op || ' ' || tg_table_name);
    RETURN coalesce(new, old);
END $$;
CREATE FUNCTION public.note_qualified() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.entries (what) VALUES (tg_op || ' ' || tg_table_name);
    RETURN coalesce(new, old);
END $$;
CREATE FUNCTION public.note_by_path() RETURNS trigger LANGUAGE plpgsql SET search_path = audit, pg_temp AS $$
BEGIN
    INSERT INTO totals (what, number) VALUES (tg_op || ' ' || tg_table_name, 1)
    ON CONFLICT (what) DO UPDATE SET number = totals.number + 1;
    RETURN coalesce(new, old);
END $$;
CREATE PROCEDURE audit.note_call(what text) LANGUAGE sql AS $$ INSERT INTO audit.calls (what) VALUES (what) $$;
CREATE FUNCTION public.note_by_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CALL audit.note_call(new.what);
    RETURN new;
END $$;
CREATE TRIGGER trail_calls AFTER INSERT ON public.trail FOR EACH ROW EXECUTE FUNCTION public.note_by_call();
-- Touches no table, so nothing is to be granted and nothing is said of it.
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.updated_at := now();
    RETURN new;
END $$;
CREATE TRIGGER users_touch BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.touch();
"""

TRIGGERED = ("users", "organizations", "organization_memberships", "api_keys", "instances", "models")
AUDITED += "".join(
    f"CREATE TRIGGER {table}_{name} AFTER INSERT OR UPDATE OR DELETE ON public.{table}"
    f" FOR EACH ROW EXECUTE FUNCTION public.note_{name}();\n"
    for table in TRIGGERED
    for name in ("unqualified", "qualified", "by_path")
)

# Numbers from sequences, also from one that no column owns.
NUMBERED = """
ALTER TABLE public.organization_memberships ADD id bigserial;
ALTER TABLE public.users ADD number bigserial;
ALTER TABLE public.organizations ADD number bigserial;
ALTER TABLE public.instances ADD number bigserial;
ALTER TABLE public.models ADD number bigserial;
CREATE SEQUENCE public.key_numbers;
ALTER TABLE public.api_keys ADD number bigint NOT NULL DEFAULT nextval('public.key_numbers');
ALTER TABLE public.instances ADD ticket bigint NOT NULL DEFAULT nextval('public.key_numbers');
"""

# All of these on one application's tables, which can be deployed without changes.
HANGING = (
    KEYLESS
    + ROWS
    + AUDITED
    + NUMBERED
    + """
ALTER TABLE public.users ALTER email SET NOT NULL;
ALTER TABLE public.users DROP username;
ALTER TABLE public.users ADD username text GENERATED ALWAYS AS (split_part(email, '@', 1)) STORED;
ALTER TABLE public.organizations ADD reference uuid NOT NULL DEFAULT gen_random_uuid();
CREATE FUNCTION public.own_id(kind text) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    RETURN overlay(gen_random_uuid()::text PLACING kind FROM 1)::uuid;
END $$;
REVOKE ALL ON FUNCTION public.own_id(text) FROM PUBLIC;
ALTER TABLE public.users ALTER id SET DEFAULT public.own_id('0a');
ALTER TABLE public.organizations ALTER id SET DEFAULT public.own_id('0b');
ALTER TABLE public.api_keys ALTER id SET DEFAULT public.own_id('0c');
ALTER TABLE public.organizations ADD updated_by text NOT NULL DEFAULT current_user;
ALTER TABLE public.organization_memberships ADD updated_at timestamptz;
UPDATE public.organization_memberships SET updated_at = now();
ALTER TABLE public.organization_memberships ALTER updated_at SET NOT NULL;
ALTER TABLE public.organizations ALTER name TYPE varchar(30);
ALTER TABLE public.organizations ADD CONSTRAINT organizations_named CHECK (name <> 'Nobody');
ALTER TABLE public.organizations ADD CONSTRAINT organizations_name_once UNIQUE (name);
ALTER TABLE public.organizations ADD CONSTRAINT organizations_slug_once UNIQUE (slug);
ALTER TABLE public.api_keys ADD CONSTRAINT api_keys_named CHECK (name <> 'nobody');
ALTER TABLE public.api_keys ALTER last_used_at TYPE timestamp;
"""
)


def refused(database: Database, to: str = "@phase-0", login: str | None = None, change: str = "") -> str:
    """Deploy, check that the first change of the plan refuses and that nothing has changed, and return its message."""
    before = everything(database)
    with pytest.raises(ScriptError) as error:
        Replay(database, login).deploy(to)
    with database.connect() as connection:
        noted: Any = connection.execute("SELECT change FROM sqitch.changes").fetchall()
        connection.execute("DROP SCHEMA sqitch CASCADE")
    assert [name for (name,) in noted] == ([change] if change else [])
    assert everything(database) == before
    return error.value.output


Connection = psycopg.Connection[tuple[Any, ...]]
