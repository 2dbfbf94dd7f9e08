-- Deploy pg-tenancy:platform/base_tables to pg
-- requires: platform/existing_tables
-- requires: kernel/foreign_keys

\set change platform/base_tables
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

SELECT to_regnamespace('finops') IS NULL AS finops_is_absent
\gset
\if :finops_is_absent
CREATE SCHEMA finops AUTHORIZATION tenancy_owner;
COMMENT ON SCHEMA finops IS 'Usage and its costs.';
\endif

-- CREATE only while this transaction creates tables. USAGE for good, because a foreign key is
-- checked with the rights of the referenced table's owner.
GRANT USAGE, CREATE ON SCHEMA public, finops TO tenancy_owner;
GRANT USAGE ON SCHEMA public, finops TO tenancy_service;

-- Restores tables that an earlier revert kept, with their rows.
DO $$
DECLARE
    archived record;
BEGIN
    FOR archived IN
        SELECT
            c.oid::regclass AS relation,
            c.relname AS name_there,
            s.schema_name,
            regexp_replace(c.relname, '^finops_', '') AS table_name
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL (
            SELECT CASE WHEN c.relname LIKE 'finops\_%' THEN 'finops' ELSE 'public' END
        ) AS s (schema_name)
        WHERE c.relnamespace = to_regnamespace('tenancy_archive')
            AND c.relkind IN ('r', 'p')
            AND c.relname IN (
                'providers', 'provider_settings', 'models', 'instances',
                'organization_models', 'organization_model_shares', 'finops_inference_usage', 'finops_cost_actual_minute'
            )
        ORDER BY c.relname
    LOOP
        IF to_regclass(format('%I.%I', archived.schema_name, archived.table_name)) IS NOT NULL THEN
            RAISE EXCEPTION 'two tables %.% exist: one that a revert kept as %, and one created since',
                archived.schema_name, archived.table_name, archived.relation
                USING ERRCODE = '55000',
                      CONSTRAINT = 'base_tables',
                      HINT = format('Move the rows of %s into %I.%I and drop it, then deploy again.',
                          archived.relation, archived.schema_name, archived.table_name);
        END IF;
        IF archived.name_there <> archived.table_name THEN
            EXECUTE format('ALTER TABLE tenancy_archive.%I RENAME TO %I',
                archived.name_there, archived.table_name);
        END IF;
        EXECUTE format('ALTER TABLE tenancy_archive.%I SET SCHEMA %I',
            archived.table_name, archived.schema_name);
        EXECUTE format('ALTER TABLE %I.%I OWNER TO tenancy_owner',
            archived.schema_name, archived.table_name);
    END LOOP;

    -- Later phases may still have tables in it.
    IF to_regnamespace('tenancy_archive') IS NOT NULL THEN
        BEGIN
            DROP SCHEMA tenancy_archive;
        EXCEPTION
            WHEN dependent_objects_still_exist THEN
                NULL;
        END;
    END IF;
END; $$;

SELECT
    to_regclass('public.providers') IS NULL AS providers_is_absent,
    to_regclass('public.provider_settings') IS NULL AS provider_settings_is_absent,
    to_regclass('public.models') IS NULL AS models_is_absent,
    to_regclass('public.instances') IS NULL AS instances_is_absent,
    to_regclass('public.organization_models') IS NULL AS organization_models_is_absent,
    to_regclass('public.organization_model_shares') IS NULL AS organization_model_shares_is_absent,
    to_regclass('finops.inference_usage') IS NULL AS inference_usage_is_absent,
    to_regclass('finops.cost_actual_minute') IS NULL AS cost_actual_minute_is_absent
\gset

-- The tables belong to tenancy_owner from the start, so the deployer's default
-- privileges do not apply to them, and the owner distinguishes a table created
-- here from an adopted one.
SET LOCAL ROLE tenancy_owner;

-- The next changes add the keys, here as in an adopted database.
\if :providers_is_absent
CREATE TABLE public.providers (
    id   uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL
);
COMMENT ON TABLE public.providers IS 'Providers from which GPU instances are rented.';
\endif

\if :provider_settings_is_absent
CREATE TABLE public.provider_settings (
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    provider_id uuid NOT NULL,
    key         text NOT NULL,
    value_int   bigint,
    value_bool  boolean,
    value_text  text,
    value_json  jsonb,
    CONSTRAINT provider_settings_one_value_check
    CHECK (num_nonnulls(value_int, value_bool, value_text, value_json) <= 1)
);
COMMENT ON TABLE public.provider_settings IS 'One value per row, in the column of its type.';
\endif

\if :models_is_absent
CREATE TABLE public.models (
    id               uuid    NOT NULL DEFAULT gen_random_uuid(),
    name             text    NOT NULL,
    model_id         text    NOT NULL,
    required_vram_gb integer,
    context_length   integer,
    is_active        boolean NOT NULL DEFAULT true,
    metadata         jsonb   NOT NULL DEFAULT '{}',
    CONSTRAINT models_required_vram_gb_check CHECK (required_vram_gb >= 0),
    CONSTRAINT models_context_length_check CHECK (context_length > 0)
);
COMMENT ON TABLE public.models IS 'Models that instances can serve.';
COMMENT ON COLUMN public.models.model_id IS 'The model''s name on a hub; not a foreign key.';
\endif

\if :instances_is_absent
CREATE TABLE public.instances (
    id               uuid        NOT NULL DEFAULT gen_random_uuid(),
    provider_id      uuid        NOT NULL,
    model_id         uuid,
    status           text        NOT NULL DEFAULT 'provisioning',
    ip_address       inet,
    gpu_profile      text,
    hourly_price_eur numeric,
    created_at       timestamptz NOT NULL DEFAULT now(),
    terminated_at    timestamptz,
    CONSTRAINT instances_hourly_price_eur_check CHECK (hourly_price_eur >= 0)
);
COMMENT ON TABLE public.instances IS 'Rented GPU machines, past and present.';
\endif

\if :organization_models_is_absent
CREATE TABLE public.organization_models (
    id              uuid    NOT NULL DEFAULT gen_random_uuid(),
    organization_id uuid    NOT NULL,
    model_id        uuid    NOT NULL,
    name            text    NOT NULL,
    code            text    NOT NULL,
    description     text,
    is_active       boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE public.organization_models IS 'Models that organizations offer.';
\endif

\if :organization_model_shares_is_absent
CREATE TABLE public.organization_model_shares (
    id                       uuid  NOT NULL DEFAULT gen_random_uuid(),
    provider_organization_id uuid  NOT NULL,
    consumer_organization_id uuid  NOT NULL,
    organization_model_id    uuid  NOT NULL,
    status                   text  NOT NULL DEFAULT 'active',
    pricing                  jsonb NOT NULL DEFAULT '{}',
    starts_at                timestamptz,
    ends_at                  timestamptz,
    CONSTRAINT organization_model_shares_ends_at_check CHECK (ends_at > starts_at)
);
COMMENT ON TABLE public.organization_model_shares IS 'Offerings that an organization shares with another.';
\endif

\if :inference_usage_is_absent
CREATE TABLE finops.inference_usage (
    id                           uuid        NOT NULL DEFAULT gen_random_uuid(),
    occurred_at                  timestamptz NOT NULL DEFAULT now(),
    customer_id                  uuid,
    api_key_id                   uuid,
    model_id                     uuid,
    instance_id                  uuid,
    input_tokens                 bigint      NOT NULL DEFAULT 0,
    output_tokens                bigint      NOT NULL DEFAULT 0,
    total_tokens                 bigint      NOT NULL DEFAULT 0,
    unit_price_eur_per_1k_tokens numeric,
    charged_amount_eur           numeric,
    provider_organization_id     uuid,
    consumer_organization_id     uuid,
    organization_model_id        uuid,
    CONSTRAINT inference_usage_tokens_check
    CHECK (input_tokens >= 0 AND output_tokens >= 0 AND total_tokens >= 0)
);
COMMENT ON TABLE finops.inference_usage IS 'Every call to a model. Rows outlive the rows that they refer to.';
\endif

\if :cost_actual_minute_is_absent
CREATE TABLE finops.cost_actual_minute (
    bucket_minute timestamptz NOT NULL,
    provider_id   uuid        NOT NULL,
    instance_id   uuid        NOT NULL,
    amount_eur    numeric     NOT NULL
);
COMMENT ON TABLE finops.cost_actual_minute IS 'The cost of each instance, minute by minute.';
\endif

RESET ROLE;

REVOKE CREATE ON SCHEMA public FROM tenancy_owner;
\if :finops_is_absent
\else
REVOKE CREATE ON SCHEMA finops FROM tenancy_owner;
\endif

-- Only for workers, and for the application before its migration. Adopted
-- tables keep their owner and their grants.
GRANT SELECT, INSERT, UPDATE, DELETE ON
    public.providers,
    public.provider_settings,
    public.models,
    public.instances,
    public.organization_models,
    public.organization_model_shares,
    finops.inference_usage,
    finops.cost_actual_minute
TO tenancy_service;

\ir ../../notes/done.psql
COMMIT;
