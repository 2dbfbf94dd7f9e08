"""An existing platform that rents GPU instances and serves models: the tables to be adopted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from pg_tenancy.tools.demo.data import COLUMNS, Platform
from pg_tenancy.tools.demo.platform import QUERIES, Shape

if TYPE_CHECKING:
    from typing_extensions import LiteralString

__all__ = ["RENTAL", "TABLES"]

# It was not designed for tenants: states are an enum, most users are staff, costs have rows on three
# levels, tokens and keys are stored in clear, triggers write their own tables, and deleting an
# organization leaves its instances without an owner.
TABLES: Final[LiteralString] = """
CREATE SCHEMA finops;

CREATE TYPE public.instance_status AS ENUM (
    'provisioning', 'booting', 'installing', 'starting', 'ready', 'draining', 'unavailable', 'terminating',
    'terminated', 'archived', 'provisioning_failed', 'startup_failed', 'failed'
);
CREATE TYPE public.member_role AS ENUM ('owner', 'admin', 'manager', 'user');
CREATE TYPE public.plan_code AS ENUM ('free', 'subscriber');

CREATE FUNCTION public.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;

-- Accounts and organizations.

CREATE TABLE public.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), username varchar(80), email varchar(320) NOT NULL UNIQUE,
    password_hash text NOT NULL DEFAULT '!', role text NOT NULL DEFAULT 'admin', first_name varchar(80),
    last_name varchar(80), account_plan text NOT NULL DEFAULT 'free', account_plan_updated_at timestamptz,
    wallet_balance_eur numeric(10, 2) NOT NULL DEFAULT 0, is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_account_plan_check CHECK (account_plan IN ('free', 'subscriber'))
);
CREATE TABLE public.user_events (
    id bigserial PRIMARY KEY, user_id uuid NOT NULL, event text NOT NULL, at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION public.note_user() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO user_events (user_id, event) VALUES (NEW.id, lower(TG_OP)); RETURN NULL; END $$;
CREATE TRIGGER users_touch BEFORE UPDATE ON public.users
FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at();
CREATE TRIGGER users_note AFTER INSERT OR UPDATE OF role, email ON public.users
FOR EACH ROW EXECUTE FUNCTION public.note_user();

CREATE TABLE public.user_sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    session_token text NOT NULL UNIQUE, current_organization_id uuid, created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(), revoked_at timestamptz
);
CREATE TABLE public.organizations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, slug text NOT NULL UNIQUE,
    created_by_user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
    subscription_plan public.plan_code NOT NULL DEFAULT 'free', subscription_plan_updated_at timestamptz,
    wallet_balance_eur numeric(10, 2) NOT NULL DEFAULT 0, sidebar_color text,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE public.organization_events (
    id bigserial PRIMARY KEY, organization_id uuid NOT NULL, event text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION public.note_organization() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO organization_events (organization_id, event) VALUES (NEW.id, lower(TG_OP)); RETURN NULL; END $$;
CREATE TRIGGER organizations_touch BEFORE UPDATE ON public.organizations
FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at();
CREATE TRIGGER organizations_note AFTER INSERT OR UPDATE OF subscription_plan ON public.organizations
FOR EACH ROW EXECUTE FUNCTION public.note_organization();

CREATE TABLE public.organization_memberships (
    organization_id uuid NOT NULL REFERENCES public.organizations (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    role public.member_role NOT NULL DEFAULT 'user', created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX organization_memberships_user_id_idx ON public.organization_memberships (user_id);
CREATE TABLE public.organization_invitations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL REFERENCES public.organizations (id) ON DELETE CASCADE, email text NOT NULL,
    role public.member_role NOT NULL DEFAULT 'user', token text NOT NULL UNIQUE,
    invited_by_user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz NOT NULL, accepted_at timestamptz
);

-- Catalogues.

CREATE TABLE public.providers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, code text UNIQUE,
    is_active boolean NOT NULL DEFAULT true
);
CREATE TABLE public.regions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider_id uuid NOT NULL REFERENCES public.providers (id),
    code text NOT NULL, UNIQUE (provider_id, code)
);
CREATE TABLE public.zones (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), region_id uuid NOT NULL REFERENCES public.regions (id),
    code text NOT NULL, is_active boolean NOT NULL DEFAULT true
);
CREATE TABLE public.instance_types (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider_id uuid NOT NULL REFERENCES public.providers (id),
    name text NOT NULL, gpu_count integer NOT NULL, vram_per_gpu_gb integer NOT NULL,
    cost_per_hour numeric(10, 4) NOT NULL
);
CREATE TABLE public.instance_type_zones (
    instance_type_id uuid NOT NULL REFERENCES public.instance_types (id) ON DELETE CASCADE,
    zone_id uuid NOT NULL REFERENCES public.zones (id) ON DELETE CASCADE, is_available boolean NOT NULL DEFAULT true,
    PRIMARY KEY (instance_type_id, zone_id)
);
CREATE TABLE public.action_types (code text PRIMARY KEY, label text NOT NULL);

-- Settings.

CREATE TABLE public.settings_definitions (
    key text PRIMARY KEY, scope text NOT NULL CHECK (scope IN ('provider', 'global')),
    value_type text NOT NULL CHECK (value_type IN ('int', 'bool', 'text', 'json')), min_int integer, max_int integer,
    default_int integer, default_bool boolean, default_text text, default_json jsonb
);
CREATE TABLE public.provider_settings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider_id uuid NOT NULL REFERENCES public.providers (id),
    organization_id uuid NOT NULL REFERENCES public.organizations (id) ON DELETE CASCADE,
    key text NOT NULL REFERENCES public.settings_definitions (key), value_int integer, value_bool boolean,
    value_text text, value_json jsonb, updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (provider_id, key, organization_id)
);
CREATE TABLE public.global_settings (
    key text PRIMARY KEY REFERENCES public.settings_definitions (key), value_int integer, value_bool boolean,
    value_text text, value_json jsonb
);

-- Models and instances.

CREATE TABLE public.models (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, model_id text NOT NULL UNIQUE,
    required_vram_gb integer, context_length integer, is_active boolean NOT NULL DEFAULT true,
    metadata jsonb NOT NULL DEFAULT '{}', data_volume_gb integer, created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE public.instances (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider_id uuid NOT NULL REFERENCES public.providers (id),
    zone_id uuid REFERENCES public.zones (id), instance_type_id uuid REFERENCES public.instance_types (id),
    model_id uuid REFERENCES public.models (id) ON DELETE SET NULL,
    organization_id uuid REFERENCES public.organizations (id) ON DELETE SET NULL,
    status public.instance_status NOT NULL DEFAULT 'provisioning', provider_instance_id text, ip_address inet,
    api_key text, gpu_profile jsonb, worker_id uuid, worker_status text, worker_metadata jsonb, error_code text,
    error_message text, tech_activated_by uuid, tech_activated_at timestamptz, eco_activated_by uuid,
    eco_activated_at timestamptz,
    is_operational boolean GENERATED ALWAYS AS (tech_activated_at IS NOT NULL AND eco_activated_at IS NOT NULL) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz, terminated_at timestamptz
);
CREATE INDEX instances_status_idx ON public.instances (status);
CREATE TABLE public.instance_state_history (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    instance_id uuid NOT NULL REFERENCES public.instances (id) ON DELETE CASCADE,
    from_status text, to_status text NOT NULL, changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION public.note_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO instance_state_history (instance_id, to_status) VALUES (NEW.id, NEW.status::text);
    ELSIF NEW.status <> OLD.status THEN
        INSERT INTO instance_state_history (instance_id, from_status, to_status)
        VALUES (NEW.id, OLD.status::text, NEW.status::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER instances_note_state AFTER INSERT OR UPDATE ON public.instances
FOR EACH ROW EXECUTE FUNCTION public.note_state();
CREATE TABLE public.instance_volumes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    instance_id uuid NOT NULL REFERENCES public.instances (id) ON DELETE CASCADE, provider_volume_id text NOT NULL,
    size_gb integer NOT NULL, status text NOT NULL DEFAULT 'attached', deleted_at timestamptz
);
CREATE TABLE public.instance_metrics (
    instance_id uuid NOT NULL REFERENCES public.instances (id) ON DELETE CASCADE,
    sampled_at timestamptz NOT NULL DEFAULT now(), gpu_percent numeric(5, 2), vram_used_mb integer,
    PRIMARY KEY (instance_id, sampled_at)
);
CREATE TABLE public.worker_auth_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    instance_id uuid NOT NULL REFERENCES public.instances (id) ON DELETE CASCADE, token_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), revoked_at timestamptz
);
CREATE TABLE public.action_logs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), action_type text NOT NULL REFERENCES public.action_types (code),
    instance_id uuid REFERENCES public.instances (id) ON DELETE CASCADE, status text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now()
);

-- API keys and offerings.

CREATE TABLE public.api_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, key_prefix text NOT NULL,
    key_hash text NOT NULL UNIQUE, user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
    organization_id uuid REFERENCES public.organizations (id) ON DELETE CASCADE,
    scopes text[] NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now(), last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE TABLE public.api_key_events (
    id bigserial PRIMARY KEY, api_key_id uuid NOT NULL, event text NOT NULL, at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION public.note_api_key() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO api_key_events (api_key_id, event) VALUES (NEW.id, lower(TG_OP)); RETURN NULL; END $$;
CREATE TRIGGER api_keys_note AFTER INSERT OR UPDATE OF revoked_at ON public.api_keys
FOR EACH ROW EXECUTE FUNCTION public.note_api_key();
CREATE TABLE public.organization_models (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL,
    model_id uuid NOT NULL REFERENCES public.models (id) ON DELETE RESTRICT, name text NOT NULL, code text NOT NULL,
    description text, is_active boolean NOT NULL DEFAULT true, created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, code)
);
CREATE TABLE public.organization_model_shares (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider_organization_id uuid NOT NULL,
    consumer_organization_id uuid NOT NULL,
    organization_model_id uuid NOT NULL REFERENCES public.organization_models (id) ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'revoked')),
    pricing jsonb NOT NULL DEFAULT '{}', starts_at timestamptz NOT NULL DEFAULT now(), ends_at timestamptz,
    CHECK (provider_organization_id <> consumer_organization_id)
);
CREATE UNIQUE INDEX organization_model_shares_active_idx
ON public.organization_model_shares (organization_model_id, consumer_organization_id) WHERE status = 'active';

-- The workbench.

CREATE TABLE public.workbench_projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL,
    created_by_user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
    organization_id uuid REFERENCES public.organizations (id) ON DELETE SET NULL,
    shared_with_org boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE TABLE public.workbench_runs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid REFERENCES public.workbench_projects (id) ON DELETE CASCADE,
    created_by_user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
    organization_id uuid REFERENCES public.organizations (id) ON DELETE SET NULL, model_id text,
    shared_with_org boolean NOT NULL DEFAULT false, started_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE public.workbench_messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    run_id uuid NOT NULL REFERENCES public.workbench_runs (id) ON DELETE CASCADE, role text NOT NULL,
    content text NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
);

-- Costs.

CREATE TABLE finops.customers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE finops.inference_usage (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), occurred_at timestamptz NOT NULL DEFAULT now(),
    customer_id uuid REFERENCES finops.customers (id) ON DELETE SET NULL,
    api_key_id uuid REFERENCES public.api_keys (id) ON DELETE SET NULL, model_id uuid,
    instance_id uuid REFERENCES public.instances (id) ON DELETE SET NULL,
    provider_id uuid, instance_type_id uuid, zone_id uuid, region_id uuid, input_tokens integer,
    output_tokens integer,
    total_tokens integer GENERATED ALWAYS AS (coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) STORED,
    unit_price_eur_per_1k_tokens numeric(14, 6), charged_amount_eur numeric(14, 6), provider_organization_id uuid,
    consumer_organization_id uuid, organization_model_id uuid, metadata jsonb NOT NULL DEFAULT '{}'
);
CREATE FUNCTION finops.fill_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.instance_id IS NOT NULL THEN
        SELECT i.provider_id, i.instance_type_id, i.zone_id, z.region_id
        INTO NEW.provider_id, NEW.instance_type_id, NEW.zone_id, NEW.region_id
        FROM instances i LEFT JOIN zones z ON z.id = i.zone_id WHERE i.id = NEW.instance_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER inference_usage_fill BEFORE INSERT ON finops.inference_usage
FOR EACH ROW EXECUTE FUNCTION finops.fill_usage();

-- For each minute one row for the total, one for each provider, and one for each instance.
CREATE TABLE finops.cost_actual_minute (
    bucket_minute timestamptz NOT NULL, provider_id uuid, instance_id uuid, amount_eur numeric(14, 6) NOT NULL,
    provider_id_key uuid GENERATED ALWAYS AS (coalesce(provider_id, '00000000-0000-0000-0000-000000000000')) STORED,
    instance_id_key uuid GENERATED ALWAYS AS (coalesce(instance_id, '00000000-0000-0000-0000-000000000000')) STORED,
    PRIMARY KEY (bucket_minute, provider_id_key, instance_id_key)
);
CREATE TABLE finops.cost_actual_cumulative_minute (
    bucket_minute timestamptz NOT NULL, provider_id uuid, instance_id uuid,
    cumulative_amount_eur numeric(14, 6) NOT NULL,
    provider_id_key uuid GENERATED ALWAYS AS (coalesce(provider_id, '00000000-0000-0000-0000-000000000000')) STORED,
    instance_id_key uuid GENERATED ALWAYS AS (coalesce(instance_id, '00000000-0000-0000-0000-000000000000')) STORED,
    PRIMARY KEY (bucket_minute, provider_id_key, instance_id_key)
);
CREATE TABLE finops.cost_forecast_minute (
    bucket_minute timestamptz NOT NULL, provider_id uuid, burn_rate_eur_per_hour numeric(14, 6) NOT NULL,
    forecast_eur_per_day numeric(14, 6), forecast_eur_per_30_days numeric(14, 6),
    provider_id_key uuid GENERATED ALWAYS AS (coalesce(provider_id, '00000000-0000-0000-0000-000000000000')) STORED,
    PRIMARY KEY (bucket_minute, provider_id_key)
);
CREATE TABLE finops.provider_costs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider_id uuid NOT NULL REFERENCES public.providers (id),
    organization_id uuid REFERENCES public.organizations (id), occurred_at timestamptz NOT NULL DEFAULT now(),
    amount_eur numeric(14, 6) NOT NULL
);
CREATE TABLE finops.subscription_charges (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), customer_id uuid REFERENCES finops.customers (id),
    organization_id uuid, charged_at timestamptz NOT NULL DEFAULT now(), amount_eur numeric(14, 6) NOT NULL
);
CREATE TABLE finops.token_purchases (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), external_id text NOT NULL UNIQUE,
    customer_id uuid REFERENCES finops.customers (id), organization_id uuid, amount_eur numeric(14, 6) NOT NULL
);
CREATE TABLE finops.events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), event_type text NOT NULL, event_key text UNIQUE,
    payload jsonb NOT NULL DEFAULT '{}', occurred_at timestamptz NOT NULL DEFAULT now()
);
"""

# Instance types have the prices, and the table computes the sums of tokens.
_ABSENT: Final = {"hourly_price_eur", "total_tokens"}
_DEFINITIONS: Final = (("max_instances", "int"), ("spot_allowed", "bool"), ("region", "text"), ("retry", "json"))


def _prepare(connection: psycopg.Connection[Any], platform: Platform) -> None:
    """Create the rows that the generated rows refer to, and adapt the generated rows to these tables."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO public.settings_definitions (key, scope, value_type) VALUES (%s, 'provider', %s)", _DEFINITIONS
        )
        cursor.executemany(
            "INSERT INTO finops.customers (id, name) VALUES (%s, %s)",
            [(person.id, person.name) for person in platform.people],
        )
        cursor.execute(
            sql.SQL("ALTER TABLE public.provider_settings ALTER organization_id SET DEFAULT {}").format(
                sql.Literal(str(platform.organizations[0].id))
            )
        )
    profile = COLUMNS["public.instances"].split().index("gpu_profile")
    platform.rows["public.instances"] = [
        (*row[:profile], json.dumps(row[profile]), *row[profile + 1 :]) for row in platform.rows["public.instances"]
    ]


RENTAL: Final = Shape(
    TABLES,
    {table: " ".join(name for name in names.split() if name not in _ABSENT) for table, names in COLUMNS.items()},
    QUERIES
    | {
        "what runs where, and what it costs": """
            SELECT p.name, i.gpu_profile, count(*), sum(t.cost_per_hour) FROM public.instances AS i
            INNER JOIN public.providers AS p ON i.provider_id = p.id
            LEFT JOIN public.instance_types AS t ON i.instance_type_id = t.id
            WHERE i.status = 'ready' GROUP BY p.name, i.gpu_profile ORDER BY 1, 2
        """
    },
    _prepare,
    (
        "ALTER FUNCTION public.note_state() SECURITY DEFINER SET search_path = public, pg_temp",
        "ALTER FUNCTION public.note_api_key() SECURITY DEFINER SET search_path = public, pg_temp",
        "ALTER TABLE public.models DROP CONSTRAINT models_model_id_key",
    ),
)
