"""The platform before tenancy: tables that an application created itself."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from support.database import Database

__all__ = ["KEYLESS", "NAMED_KEYS", "PRIMARY_KEYS", "ROWS", "TABLES", "fill_and_grant", "primary_keys", "rows_of"]

TABLES = (
    "public.users",
    "public.organizations",
    "public.organization_memberships",
    "public.providers",
    "public.provider_settings",
    "public.models",
    "public.instances",
    "public.api_keys",
    "public.organization_models",
    "public.organization_model_shares",
    "finops.inference_usage",
    "finops.cost_actual_minute",
)

# The columns that identify a row after phase 0.
PRIMARY_KEYS = {
    **{table: ["id"] for table in TABLES},
    "public.organization_memberships": ["organization_id", "user_id"],
    "finops.cost_actual_minute": ["bucket_minute", "provider_id", "instance_id"],
}

# No keys of any kind, and all columns are nullable.
KEYLESS = """
CREATE SCHEMA finops;
CREATE TABLE public.users (
    id uuid, email text, username text, first_name text, last_name text,
    password_hash text, role text, created_at timestamptz, updated_at timestamptz
);
CREATE TABLE public.organizations (
    id uuid, name text, slug text, created_by_user_id uuid, created_at timestamptz, updated_at timestamptz
);
CREATE TABLE public.organization_memberships (
    organization_id uuid, user_id uuid, role text, created_at timestamptz
);
CREATE TABLE public.providers (id uuid, name text);
CREATE TABLE public.provider_settings (
    id uuid, provider_id uuid, key text, value_int integer, value_bool boolean, value_text text, value_json jsonb
);
CREATE TABLE public.models (
    id uuid, name text, model_id text, required_vram_gb integer, context_length integer,
    is_active boolean, metadata jsonb
);
CREATE TABLE public.instances (
    id uuid, provider_id uuid, model_id uuid, status text, ip_address inet, gpu_profile text,
    hourly_price_eur numeric(10, 4), created_at timestamptz, terminated_at timestamptz
);
CREATE TABLE public.api_keys (
    id uuid, user_id uuid, name text, key_prefix text, key_hash text,
    created_at timestamptz, last_used_at timestamptz, revoked_at timestamptz
);
CREATE TABLE public.organization_models (
    id uuid, organization_id uuid, model_id uuid, name text, code text, description text, is_active boolean
);
CREATE TABLE public.organization_model_shares (
    id uuid, provider_organization_id uuid, consumer_organization_id uuid, organization_model_id uuid,
    status text, pricing jsonb, starts_at timestamptz, ends_at timestamptz
);
CREATE TABLE finops.inference_usage (
    id uuid, occurred_at timestamptz, customer_id uuid, api_key_id uuid, model_id uuid, instance_id uuid,
    input_tokens integer, output_tokens integer, total_tokens integer,
    unit_price_eur_per_1k_tokens numeric, charged_amount_eur numeric,
    provider_organization_id uuid, consumer_organization_id uuid, organization_model_id uuid
);
CREATE TABLE finops.cost_actual_minute (
    bucket_minute timestamptz, provider_id uuid, instance_id uuid, amount_eur numeric
);
"""

# Keys with other names, other types of the same families, and further columns.
NAMED_KEYS = """
CREATE SCHEMA finops;
CREATE TABLE public.users (
    id uuid NOT NULL, email varchar(320) NOT NULL, username varchar(40), first_name varchar(80),
    last_name varchar(80), password_hash varchar(200), role varchar(20) NOT NULL DEFAULT 'user',
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp, phone text,
    CONSTRAINT people_primary PRIMARY KEY (id)
);
CREATE TABLE public.organizations (
    id uuid NOT NULL, name varchar NOT NULL, slug varchar, created_by_user_id uuid NOT NULL,
    created_at timestamptz, updated_at timestamptz, vat_number text,
    CONSTRAINT tenants_primary PRIMARY KEY (id),
    CONSTRAINT tenants_by FOREIGN KEY (created_by_user_id) REFERENCES public.users (id)
);
CREATE INDEX tenants_creator ON public.organizations (created_by_user_id);
-- A primary key of its own, and what this project needs as a unique key only in part.
CREATE TABLE public.organization_memberships (
    id bigint GENERATED ALWAYS AS IDENTITY, organization_id uuid NOT NULL, user_id uuid NOT NULL,
    role text, created_at timestamptz,
    CONSTRAINT memberships_primary PRIMARY KEY (id)
);
CREATE INDEX memberships_of_user ON public.organization_memberships (user_id);
CREATE TABLE public.providers (id uuid NOT NULL, name text);
-- Unique, but no key: and with the name that a primary key would get.
CREATE UNIQUE INDEX providers_tenancy_pkey ON public.providers (id);
CREATE TABLE public.provider_settings (
    id uuid PRIMARY KEY, provider_id uuid, key text, value_int bigint, value_bool boolean,
    value_text text, value_json json,
    CONSTRAINT settings_provider FOREIGN KEY (provider_id) REFERENCES public.providers (id) ON DELETE SET NULL
);
-- Partial: it serves no foreign key.
CREATE INDEX settings_some ON public.provider_settings (provider_id) WHERE key = 'quota';
CREATE TABLE public.invoices (id serial PRIMARY KEY, user_id uuid REFERENCES public.users (id), amount money);
"""

ROWS = """
INSERT INTO public.users (id, email, role) VALUES
    ('00000000-0000-0000-0000-00000000000a', 'ann@example.com', 'admin'),
    ('00000000-0000-0000-0000-00000000000b', 'bob@example.com', 'user');
INSERT INTO public.organizations (id, name, slug, created_by_user_id) VALUES
    ('00000000-0000-0000-0001-00000000000a', 'Acme', 'acme', '00000000-0000-0000-0000-00000000000a'),
    ('00000000-0000-0000-0001-00000000000b', 'Bulk', 'bulk', '00000000-0000-0000-0000-00000000000b');
INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES
    ('00000000-0000-0000-0001-00000000000a', '00000000-0000-0000-0000-00000000000a', 'owner'),
    ('00000000-0000-0000-0001-00000000000b', '00000000-0000-0000-0000-00000000000b', 'owner');
INSERT INTO public.providers (id, name) VALUES ('00000000-0000-0000-0002-00000000000a', 'Cloud');
INSERT INTO public.provider_settings (id, provider_id, key, value_int) VALUES
    ('00000000-0000-0000-0003-00000000000a', '00000000-0000-0000-0002-00000000000a', 'quota', 3);
INSERT INTO public.models (id, name, model_id) VALUES
    ('00000000-0000-0000-0004-00000000000a', 'Small', 'hub/small');
INSERT INTO public.instances (id, provider_id, model_id, status) VALUES
    ('00000000-0000-0000-0005-00000000000a', '00000000-0000-0000-0002-00000000000a',
     '00000000-0000-0000-0004-00000000000a', 'ready');
INSERT INTO public.api_keys (id, user_id, name, key_prefix, key_hash) VALUES
    ('00000000-0000-0000-0006-00000000000a', '00000000-0000-0000-0000-00000000000a', 'ci', 'pk_a', 'x');
INSERT INTO public.organization_models (id, organization_id, model_id, name, code) VALUES
    ('00000000-0000-0000-0007-00000000000a', '00000000-0000-0000-0001-00000000000a',
     '00000000-0000-0000-0004-00000000000a', 'Sales bot', 'sales-bot');
INSERT INTO public.organization_model_shares
    (id, provider_organization_id, consumer_organization_id, organization_model_id, status) VALUES
    ('00000000-0000-0000-0008-00000000000a', '00000000-0000-0000-0001-00000000000a',
     '00000000-0000-0000-0001-00000000000b', '00000000-0000-0000-0007-00000000000a', 'active');
INSERT INTO finops.inference_usage
    (id, occurred_at, customer_id, api_key_id, model_id, instance_id, input_tokens, output_tokens, total_tokens) VALUES
    ('00000000-0000-0000-0009-00000000000a', '2026-01-02 03:04:05+00', '00000000-0000-0000-0000-00000000000a',
     '00000000-0000-0000-0006-00000000000a', '00000000-0000-0000-0004-00000000000a',
     '00000000-0000-0000-0005-00000000000a', 10, 20, 30);
INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur) VALUES
    ('2026-01-02 03:04:00+00', '00000000-0000-0000-0002-00000000000a', '00000000-0000-0000-0005-00000000000a', 0.0123);
"""


# Grants from before tenancy.
GRANTED = """
GRANT SELECT ON public.users TO {reader};
GRANT SELECT (id, name) ON public.organizations TO {reader} WITH GRANT OPTION;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.organization_memberships TO {writer};
GRANT UPDATE (name) ON public.organizations TO {writer};
GRANT USAGE ON SCHEMA finops TO {reader};
GRANT CREATE ON SCHEMA public TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {reader};
"""


def fill_and_grant(database: Database, tables: str, owner: str, reader: str, writer: str) -> None:
    """Fill a database with the tables of an application, owned by its login and granted to two more."""
    database.fill(tables + GRANTED.format(reader=reader, writer=writer), owner)
    database.server.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*map(sql.Identifier, (database.name, reader)))
    )


def primary_keys(database: Database) -> dict[str, list[str]]:
    """Return the columns of each table's primary key."""
    rows = database.fetch(
        "SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint AS c"
        " CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k (attnum, position)"
        " JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum"
        " WHERE c.contype = 'p' AND c.connamespace IN ('public'::regnamespace, to_regnamespace('finops'))"
        " ORDER BY 1, k.position"
    )
    keys: dict[str, list[str]] = {}
    for table, column in rows:
        keys.setdefault(table, []).append(column)
    return keys


def rows_of(connection: psycopg.Connection[tuple[Any, ...]], *tables: str) -> dict[str, list[str]]:
    """Return every row of the tables as text, sorted."""
    return {
        table: [
            str(row)
            for (row,) in connection.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1").fetchall()  # noqa: S608
        ]
        for table in tables or TABLES
    }
