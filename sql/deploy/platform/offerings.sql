-- Deploy pg-tenancy:platform/offerings to pg
-- requires: platform/offered_models
-- requires: platform/offering_shares
-- requires: kernel/wallets_movements

\set change platform/offerings
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- A price is never changed: a new one begins, now or later, and a call costs the price that was
-- valid at its time.
CREATE TABLE tenancy.offering_prices (
    organization_id uuid           NOT NULL,
    offering_id     uuid           NOT NULL,
    valid_from      timestamptz    NOT NULL,
    number          integer        NOT NULL,
    eur_per_1k      numeric(14, 6) NOT NULL,
    created_at      timestamptz    NOT NULL DEFAULT clock_timestamp(),
    user_id         uuid,
    CONSTRAINT offering_prices_pkey PRIMARY KEY (organization_id, offering_id, valid_from, number),
    CONSTRAINT offering_prices_eur_per_1k_check CHECK (eur_per_1k >= 0 AND eur_per_1k < 1000000),
    CONSTRAINT offering_prices_valid_from_check CHECK (isfinite(valid_from))
);
COMMENT ON TABLE tenancy.offering_prices IS
'Append-only. The price of 1,000 tokens of an offering from a time on; of two for the same time the higher number '
'counts.';

CREATE TABLE tenancy.access_requests (
    organization_id      uuid        NOT NULL,
    id                   uuid        NOT NULL DEFAULT gen_random_uuid(),
    offering_id          uuid        NOT NULL,
    consumer_id          uuid        NOT NULL,
    requested_by_user_id uuid,
    message              text,
    created_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    status               text        NOT NULL DEFAULT 'pending',
    decided_at           timestamptz,
    decided_by_user_id   uuid,
    reason               text,
    CONSTRAINT access_requests_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT access_requests_status_check CHECK (
        status IN ('pending', 'approved', 'denied') AND (status = 'pending') = (decided_at IS NULL)
    ),
    CONSTRAINT access_requests_message_check CHECK (
        length(message) <= 2000 AND length(reason) <= 2000
    )
);
COMMENT ON TABLE tenancy.access_requests IS
'Requests for access to an offering, and the answers.';
COMMENT ON COLUMN tenancy.access_requests.organization_id IS 'The provider.';
COMMENT ON COLUMN tenancy.access_requests.consumer_id IS 'The workspace that requests access.';
CREATE UNIQUE INDEX access_requests_pending_idx
ON tenancy.access_requests (offering_id, consumer_id, organization_id) WHERE status = 'pending';
CREATE INDEX access_requests_consumer_id_idx
ON tenancy.access_requests (consumer_id, organization_id);
CREATE INDEX access_requests_offering_id_idx
ON tenancy.access_requests (organization_id, offering_id);

-- The offerings that a workspace may use by agreement, or on trial.
CREATE TABLE tenancy.entitlements (
    organization_id uuid        NOT NULL,
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    offering_id     uuid        NOT NULL,
    consumer_id     uuid        NOT NULL,
    kind            text        NOT NULL,
    request_id      uuid,
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL DEFAULT 'infinity',
    quota_tokens    bigint,
    used_tokens     bigint      NOT NULL DEFAULT 0,
    eur_per_1k      numeric(14, 6),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at      timestamptz,
    CONSTRAINT entitlements_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT entitlements_kind_check CHECK (kind IN ('contract', 'trial')),
    CONSTRAINT entitlements_ends_at_check CHECK (ends_at > starts_at),
    CONSTRAINT entitlements_tokens_check CHECK (quota_tokens > 0 AND used_tokens >= 0),
    CONSTRAINT entitlements_eur_per_1k_check CHECK (eur_per_1k >= 0 AND eur_per_1k < 1000000)
);
COMMENT ON TABLE tenancy.entitlements IS
'Rights of a workspace to another''s offering: how long, how much, at which price.';
COMMENT ON COLUMN tenancy.entitlements.quota_tokens IS 'NULL: unlimited.';
COMMENT ON COLUMN tenancy.entitlements.eur_per_1k IS 'NULL: the offering''s price at the time of the call.';
CREATE UNIQUE INDEX entitlements_open_idx
ON tenancy.entitlements (consumer_id, offering_id, kind, organization_id) WHERE revoked_at IS NULL;
CREATE INDEX entitlements_consumer_id_idx ON tenancy.entitlements (consumer_id, organization_id);
CREATE INDEX entitlements_offering_id_idx ON tenancy.entitlements (organization_id, offering_id);

CREATE TABLE tenancy.catalog_preferences (
    workspace_id    uuid    NOT NULL,
    shows_public    boolean NOT NULL,
    shows_paid      boolean NOT NULL,
    shows_contracts boolean NOT NULL,
    CONSTRAINT catalog_preferences_pkey PRIMARY KEY (workspace_id)
);
COMMENT ON TABLE tenancy.catalog_preferences IS
'The offerings of others that a workspace wants to see; without a row, all.';

-- The terms agreed before a call was served. An authorized call is charged by these, even if
-- the provider has paused or revoked access meanwhile.
CREATE TABLE tenancy.usage_authorizations (
    workspace_id      uuid           NOT NULL,
    id                uuid           NOT NULL DEFAULT gen_random_uuid(),
    provider_id       uuid           NOT NULL,
    offering_id       uuid           NOT NULL,
    hold_id           uuid,
    access            text           NOT NULL,
    entitlement_id    uuid,
    agreed_eur_per_1k numeric(14, 6),
    eur_per_1k        numeric(14, 6) NOT NULL,
    max_eur_per_1k    numeric(14, 6),
    max_tokens        bigint         NOT NULL,
    created_at        timestamptz    NOT NULL DEFAULT clock_timestamp(),
    expires_at        timestamptz    NOT NULL,
    CONSTRAINT usage_authorizations_pkey PRIMARY KEY (workspace_id, id)
);
COMMENT ON TABLE tenancy.usage_authorizations IS
'Authorized calls. A row is deleted once its call is recorded.';
COMMENT ON COLUMN tenancy.usage_authorizations.agreed_eur_per_1k IS
'The agreed price; NULL means the offering''s price at the time of the call.';
COMMENT ON COLUMN tenancy.usage_authorizations.max_eur_per_1k IS
'The highest price of the offering that was known to begin before the hold ends: a price that is set later does not '
'raise the cost of the call. NULL if a price is agreed.';
CREATE INDEX usage_authorizations_expires_at_idx
ON tenancy.usage_authorizations (workspace_id, expires_at);

-- Every call, once for each payer and request. Outlives offerings, organizations and
-- people, like the ledger.
CREATE TABLE tenancy.offering_usage (
    workspace_id   uuid           NOT NULL,
    request_id     text           NOT NULL,
    id             uuid           NOT NULL,
    provider_id    uuid           NOT NULL,
    offering_id    uuid           NOT NULL,
    access         text           NOT NULL,
    entitlement_id uuid,
    user_id        uuid,
    api_key_id     uuid,
    input_tokens   bigint         NOT NULL,
    output_tokens  bigint         NOT NULL,
    eur_per_1k     numeric(14, 6) NOT NULL,
    amount         numeric(20, 6) NOT NULL,
    unpaid         numeric(20, 6) NOT NULL,
    occurred_at    timestamptz    NOT NULL,
    created_at     timestamptz    NOT NULL DEFAULT clock_timestamp(),
    reversed_at    timestamptz,
    CONSTRAINT offering_usage_pkey PRIMARY KEY (workspace_id, request_id),
    CONSTRAINT offering_usage_tokens_check CHECK (input_tokens >= 0 AND output_tokens >= 0),
    CONSTRAINT offering_usage_amount_check CHECK (
        amount >= 0 AND amount < 'Infinity' AND unpaid BETWEEN 0 AND amount
    )
);
COMMENT ON TABLE tenancy.offering_usage IS
'Calls of offerings: payer, payee, amount and offering. Rows are only added, and marked if reversed.';
COMMENT ON COLUMN tenancy.offering_usage.workspace_id IS 'The payer.';
COMMENT ON COLUMN tenancy.offering_usage.id IS 'The id of the movement in the ledger.';
COMMENT ON COLUMN tenancy.offering_usage.access IS 'The right used: own, share, contract, trial, or the access '
    'policy.';
CREATE UNIQUE INDEX offering_usage_id_idx ON tenancy.offering_usage (id, workspace_id);
CREATE INDEX offering_usage_provider_id_idx
ON tenancy.offering_usage (provider_id, offering_id, occurred_at, workspace_id);

-- Closed until offerings_policies opens them.
CALL tenancy_private.close_own_table('tenancy.offering_prices');
CALL tenancy_private.close_own_table('tenancy.access_requests');
CALL tenancy_private.close_own_table('tenancy.entitlements');
CALL tenancy_private.close_own_table('tenancy.catalog_preferences');
CALL tenancy_private.close_own_table('tenancy.usage_authorizations');
CALL tenancy_private.close_own_table('tenancy.offering_usage');

RESET ROLE;

-- Rows that a revert kept.
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY[
        'offering_prices', 'access_requests', 'entitlements', 'catalog_preferences', 'usage_authorizations', 'offering_usage'
    ] LOOP
        IF to_regclass('tenancy_archive.' || kept) IS NOT NULL THEN
            EXECUTE format('INSERT INTO tenancy.%1$I SELECT a.* FROM tenancy_archive.%1$I AS a', kept);
            CALL tenancy_private.drop_archived(kept);
        END IF;
    END LOOP;
END;
$$;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces', 'public.models', 'public.organization_models']::regclass[],
    'SHARE ROW EXCLUSIVE', 'SELECT'
);

SET LOCAL ROLE tenancy_owner;

-- Rows whose parents were deleted meanwhile are deleted, as they would have
-- been without the revert.
DELETE FROM tenancy.offering_prices AS p
WHERE NOT EXISTS (
    SELECT FROM public.organization_models AS o
    WHERE (o.organization_id, o.id) = (p.organization_id, p.offering_id)
);
DELETE FROM tenancy.access_requests AS r
WHERE NOT EXISTS (
        SELECT FROM public.organization_models AS o
        WHERE (o.organization_id, o.id) = (r.organization_id, r.offering_id)
    )
    OR NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = r.consumer_id);
DELETE FROM tenancy.entitlements AS e
WHERE NOT EXISTS (
        SELECT FROM public.organization_models AS o
        WHERE (o.organization_id, o.id) = (e.organization_id, e.offering_id)
    )
    OR NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = e.consumer_id);
DELETE FROM tenancy.catalog_preferences AS p
WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = p.workspace_id);

-- These rows move with an offering that a service gives to another organization.
ALTER TABLE tenancy.offering_prices
ADD CONSTRAINT offering_prices_offering_id_fkey FOREIGN KEY (organization_id, offering_id)
REFERENCES public.organization_models (organization_id, id) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE tenancy.access_requests
ADD CONSTRAINT access_requests_offering_id_fkey FOREIGN KEY (organization_id, offering_id)
REFERENCES public.organization_models (organization_id, id) ON UPDATE CASCADE ON DELETE CASCADE,
ADD CONSTRAINT access_requests_consumer_id_fkey FOREIGN KEY (consumer_id)
REFERENCES tenancy.workspaces (id) ON DELETE CASCADE;
ALTER TABLE tenancy.entitlements
ADD CONSTRAINT entitlements_offering_id_fkey FOREIGN KEY (organization_id, offering_id)
REFERENCES public.organization_models (organization_id, id) ON UPDATE CASCADE ON DELETE CASCADE,
ADD CONSTRAINT entitlements_consumer_id_fkey FOREIGN KEY (consumer_id)
REFERENCES tenancy.workspaces (id) ON DELETE CASCADE;
ALTER TABLE tenancy.catalog_preferences
ADD CONSTRAINT catalog_preferences_workspace_id_fkey FOREIGN KEY (workspace_id)
REFERENCES tenancy.workspaces (id) ON DELETE CASCADE;

-- An organization may offer only its own models and public ones: with any other it would let
-- others use a model that is not its own.
CREATE FUNCTION tenancy_private.check_offered_model() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF tg_op = 'UPDATE' THEN
        IF (new.model_id, new.organization_id) IS NOT DISTINCT FROM (old.model_id, old.organization_id) THEN
            RETURN new;
        END IF;
    END IF;
    IF new.model_id IS NULL THEN
        RETURN new;
    END IF;
    -- Locked, so that nobody assigns it to another organization before this one commits.
    PERFORM FROM public.models AS m
    WHERE m.id = new.model_id
        AND m.workspace_id IN (new.organization_id, '00000000-0000-0000-0000-000000000000')
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this organization has no such model'
        USING ERRCODE = '23503',
        CONSTRAINT = 'organization_models_model_id_fkey',
        HINT = 'An organization can offer its own models and public ones.';
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_offered_model() FROM public;

-- A public model that others offer stays public: they would sell another organization's model.
CREATE FUNCTION tenancy_private.keep_offered_model() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF new.workspace_id <> '00000000-0000-0000-0000-000000000000' AND EXISTS (
        SELECT FROM public.organization_models AS o
        WHERE o.model_id = new.id AND o.organization_id <> new.workspace_id
    ) THEN
        RAISE EXCEPTION 'other organizations offer the model %', new.name
        USING ERRCODE = '23503',
        CONSTRAINT = 'model_in_use',
        HINT = 'Give their offerings in public.organization_models another model first.';
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.keep_offered_model() FROM public;

CREATE TRIGGER offering_prices_audit
AFTER INSERT ON tenancy.offering_prices
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'offering_price', 'organization_id', 'offering_id', 'valid_from', 'eur_per_1k'
);
CREATE TRIGGER access_requests_audit
AFTER INSERT OR UPDATE OR DELETE ON tenancy.access_requests
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'access_request', 'organization_id', 'id', 'offering_id', 'consumer_id', 'status', 'reason'
);
CREATE TRIGGER entitlements_audit
AFTER INSERT OR DELETE OR UPDATE OF starts_at, ends_at, quota_tokens, eur_per_1k, revoked_at
ON tenancy.entitlements
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'entitlement', 'organization_id', 'id', 'offering_id', 'consumer_id', 'kind', 'starts_at',
    'ends_at', 'quota_tokens',
    'eur_per_1k', 'revoked_at'
);
CALL tenancy_private.record_triggers('tenancy.offering_prices', 'offering_prices_audit');
CALL tenancy_private.record_triggers('tenancy.access_requests', 'access_requests_audit');
CALL tenancy_private.record_triggers('tenancy.entitlements', 'entitlements_audit');

RESET ROLE;

-- Without a condition on the columns, which would prevent the application from changing their
-- types.
CREATE TRIGGER organization_models_tenancy_model
BEFORE INSERT OR UPDATE ON public.organization_models
FOR EACH ROW EXECUTE FUNCTION tenancy_private.check_offered_model();
CALL tenancy_private.record_triggers(
    'public.organization_models', 'organization_models_tenancy_model'
);

CREATE TRIGGER models_tenancy_offered
AFTER UPDATE ON public.models
FOR EACH ROW WHEN (old.workspace_id <> new.workspace_id)
EXECUTE FUNCTION tenancy_private.keep_offered_model();
CALL tenancy_private.record_triggers('public.models', 'models_tenancy_offered');

\ir ../../notes/done.psql
COMMIT;
