-- Deploy pg-tenancy:platform/offerings_functions to pg
-- requires: platform/offerings

\set change platform/offerings_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- One error for unknown, private and deleted offerings, so that nobody learns which names are
-- taken by offerings that they may not see.
CREATE FUNCTION tenancy_private.refuse_offering() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'no such offering'
    USING ERRCODE = 'P0002',
    CONSTRAINT = 'offering_not_found',
    HINT = 'tenancy.community_catalog() lists public offerings, tenancy.shared_offerings() those shared with the '
        'workspace.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_offering() FROM public;

-- Only this function checks which activations an offering lacks. offerings_activation adds
-- them; before it no activation is required.
CREATE FUNCTION tenancy_private.missing_activations(
    offering public.organization_models
) RETURNS text[]
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT ARRAY(
    SELECT w.aspect
    FROM unnest(ARRAY['tech', 'eco']) WITH ORDINALITY AS w (aspect, place)
    WHERE EXISTS (SELECT FROM tenancy_private.activatable AS a WHERE a.kind = 'offering')
        AND (
            to_jsonb(offering) ->> (w.aspect || '_activated_at') IS NULL
            OR EXISTS (
                SELECT FROM tenancy_private.pending_deactivations AS d
                WHERE (d.kind, d.id, d.aspect) = ('offering', offering.id, w.aspect)
            )
        )
    ORDER BY w.place
);
$$;
REVOKE ALL ON FUNCTION tenancy_private.missing_activations(public.organization_models) FROM public;

-- NULL if the offering has no price at that moment.
CREATE FUNCTION tenancy_private.offering_price(
    organization_id uuid, offering_id uuid, at timestamptz
) RETURNS numeric
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT p.eur_per_1k
FROM tenancy.offering_prices AS p
WHERE p.organization_id = offering_price.organization_id AND p.offering_id = offering_price.offering_id
    AND p.valid_from <= offering_price.at
ORDER BY p.valid_from DESC, p.number DESC
LIMIT 1;
$$;
REVOKE ALL ON FUNCTION tenancy_private.offering_price(uuid, uuid, timestamptz) FROM public;

-- The price of a share, NULL without one. Other content that an application wrote there does
-- not lower the price.
CREATE FUNCTION tenancy_private.shared_price(pricing jsonb) RETURNS numeric
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN pricing ->> 'version' = '1' AND pricing ->> 'type' = 'per_1k_tokens'
        AND jsonb_typeof(pricing -> 'eur_per_1k') = 'number'
        THEN CASE
            WHEN (pricing ->> 'eur_per_1k')::numeric >= 0
                AND (pricing ->> 'eur_per_1k')::numeric < 1000000
                THEN round((pricing ->> 'eur_per_1k')::numeric, 6)
        END
END;
REVOKE ALL ON FUNCTION tenancy_private.shared_price(jsonb) FROM public;

-- Everything about a workspace's access to an offering: whether it may know of it, whether it
-- may use it now, with which right and at which price at a given moment, or the reason why not.
-- Callers decide whether to return or to raise that.
CREATE FUNCTION tenancy_private.offering_access(
    consumer uuid, offering_id uuid, priced_at timestamptz,
    OUT is_known boolean, OUT is_allowed boolean, OUT reason text, OUT access text,
    OUT eur_per_1k numeric,
    OUT agreed_eur_per_1k numeric, OUT entitlement_id uuid, OUT provider_id uuid, OUT model_id uuid
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    seen_at CONSTANT timestamptz := clock_timestamp();
    offering public.organization_models;
    share record;
    entitlement record;
    refused text;
BEGIN
    is_known := false;
    is_allowed := false;
    SELECT o.* INTO offering
    FROM public.organization_models AS o
    INNER JOIN tenancy.workspaces AS w ON o.organization_id = w.id AND w.deleted_at IS NULL
    WHERE o.id = offering_access.offering_id;
    IF offering.id IS NULL THEN
        RETURN;
    END IF;
    provider_id := offering.organization_id;
    model_id := offering.model_id;

    IF provider_id = consumer THEN
        is_known := true;
        access := 'own';
    ELSE
        -- The current share: an active one before a paused one, then the latest.
        SELECT s.id, s.status::text AS status, s.pricing::jsonb AS pricing, s.starts_at, s.ends_at INTO share
        FROM public.organization_model_shares AS s
        WHERE s.consumer_organization_id = consumer
            AND s.organization_model_id = offering.id
            AND s.provider_organization_id = offering.organization_id
            AND s.status::text IN ('active', 'paused')
            AND (s.ends_at IS NULL OR s.ends_at > seen_at)
            AND (s.starts_at IS NULL OR s.starts_at <= seen_at)
        ORDER BY s.status::text, s.starts_at DESC NULLS LAST, s.id
        LIMIT 1;
        SELECT
            e.id, e.eur_per_1k, e.kind,
            e.starts_at <= seen_at AND e.ends_at > seen_at AS is_current,
            e.quota_tokens IS NOT NULL AND e.used_tokens >= e.quota_tokens AS is_used_up
        INTO entitlement
        FROM tenancy.entitlements AS e
        WHERE e.consumer_id = consumer AND e.offering_id = offering.id
            AND e.organization_id = offering.organization_id AND e.revoked_at IS NULL
        ORDER BY
            (e.starts_at <= seen_at AND e.ends_at > seen_at AND (e.quota_tokens IS NULL OR e.used_tokens < e.quota_tokens)) DESC,
            e.kind
        LIMIT 1;
        is_known := offering.visibility <> 'private' OR share.id IS NOT NULL
            OR entitlement.id IS NOT NULL AND entitlement.kind = 'contract';
        IF NOT is_known THEN
            RETURN;
        END IF;

        IF share.status = 'active' THEN
            access := 'share';
            agreed_eur_per_1k := tenancy_private.shared_price(share.pricing);
            -- If the share began after that moment, the price of the share before it.
            IF share.starts_at > priced_at THEN
                SELECT tenancy_private.shared_price(s.pricing::jsonb) INTO agreed_eur_per_1k
                FROM public.organization_model_shares AS s
                WHERE s.consumer_organization_id = consumer
                    AND s.organization_model_id = offering.id
                    AND s.provider_organization_id = offering.organization_id
                    AND s.starts_at <= priced_at AND s.ends_at > priced_at
                ORDER BY s.starts_at DESC, s.id
                LIMIT 1;
                IF NOT FOUND THEN
                    agreed_eur_per_1k := tenancy_private.shared_price(share.pricing);
                END IF;
            END IF;
        ELSIF entitlement.is_current AND NOT entitlement.is_used_up THEN
            access := entitlement.kind;
            entitlement_id := entitlement.id;
            agreed_eur_per_1k := entitlement.eur_per_1k;
        ELSIF entitlement.kind = 'contract' THEN
            refused := CASE WHEN entitlement.is_used_up THEN 'quota_exhausted' ELSE 'entitlement_ended' END;
        END IF;

        IF access IS NULL AND offering.visibility = 'public' THEN
            IF offering.access_policy IN ('free', 'pay_per_token') THEN
                access := offering.access_policy;
            ELSIF offering.access_policy = 'subscription_required' AND EXISTS (
                SELECT FROM tenancy.workspaces AS w WHERE w.id = consumer AND w.plan = 'subscriber'
            ) THEN
                access := 'subscription';
            ELSIF offering.access_policy = 'trial' AND entitlement.kind IS DISTINCT FROM 'trial' AND NOT EXISTS (
                SELECT FROM tenancy.entitlements AS e
                WHERE e.consumer_id = consumer AND e.offering_id = offering.id AND e.kind = 'trial'
            ) THEN
                access := 'trial';
                agreed_eur_per_1k := 0;
            END IF;
        END IF;
        IF access IS NOT NULL THEN
            refused := NULL;
        ELSE
            refused := CASE
                WHEN share.status = 'paused' THEN 'share_paused'
                WHEN refused IS NOT NULL THEN refused
                WHEN EXISTS (
                    SELECT FROM tenancy.access_requests AS r
                    WHERE r.consumer_id = consumer AND r.offering_id = offering.id AND r.status = 'pending'
                ) THEN 'request_pending'
                WHEN offering.visibility = 'unlisted' THEN 'request_required'
                WHEN offering.access_policy = 'subscription_required' THEN 'subscription_required'
                WHEN offering.access_policy = 'trial' THEN 'trial_ended'
                ELSE 'request_required'
            END;
        END IF;
    END IF;

    eur_per_1k := coalesce(
        agreed_eur_per_1k,
        CASE WHEN offering.access_policy = 'free' THEN 0 END,
        tenancy_private.offering_price(offering.organization_id, offering.id, priced_at),
        CASE WHEN access = 'own' THEN 0 END
    );
    reason := CASE
        WHEN refused IS NOT NULL THEN refused
        WHEN offering.is_active IS FALSE THEN 'inactive'
        WHEN tenancy_private.missing_activations(offering) <> '{}' THEN 'not_operational'
        WHEN eur_per_1k IS NULL THEN 'price_missing'
    END;
    is_allowed := reason IS NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.offering_access(uuid, uuid, timestamptz) FROM public;

-- Raises with the reason.
CREATE FUNCTION tenancy_private.refuse_offering_use(
    reason text, offering_id uuid DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF reason = 'not_operational' THEN
        PERFORM tenancy_private.refuse_use(
            tenancy_private.activatable_of('offering'), o.id, tenancy_private.missing_activations(o)
        )
        FROM public.organization_models AS o
        WHERE o.id = refuse_offering_use.offering_id;
    END IF;
    RAISE EXCEPTION '%', CASE reason
        WHEN 'inactive' THEN 'the offering is not active'
        WHEN 'price_missing' THEN 'the offering has no price'
        WHEN 'share_paused' THEN 'the provider has paused the share'
        WHEN 'quota_exhausted' THEN 'the quota of this offering is used up'
        WHEN 'entitlement_ended' THEN 'the agreement on this offering is not in force'
        WHEN 'trial_ended' THEN 'the trial of this offering has ended'
        WHEN 'subscription_required' THEN 'the offering requires a subscription'
        WHEN 'request_pending' THEN 'the provider has not decided on the request yet'
        ELSE 'the offering requires the provider''s approval'
    END
    USING ERRCODE = CASE WHEN reason IN ('inactive', 'price_missing') THEN '55000' ELSE '42501' END,
    CONSTRAINT = CASE reason
        WHEN 'inactive' THEN 'offering_inactive'
        WHEN 'price_missing' THEN 'offering_price_missing'
        ELSE reason
    END,
    HINT = CASE reason
        WHEN 'inactive' THEN 'The provider activates it with tenancy.update_offering().'
        WHEN 'price_missing' THEN 'The provider sets one with tenancy.set_offering_price().'
        WHEN 'share_paused' THEN 'The provider lets it go on with tenancy.resume_share().'
        WHEN 'subscription_required' THEN 'The workspace''s plan has to be subscriber.'
        WHEN 'request_pending' THEN 'tenancy.access_requests() shows the answer.'
        ELSE 'tenancy.request_access() asks the provider.'
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_offering_use(text, uuid) FROM public;

-- The name by which clients call an offering.
CREATE FUNCTION tenancy_private.offering_name(organization_id uuid, code text) RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT o.slug::text || '/' || offering_name.code FROM public.organizations AS o WHERE o.id = offering_name.organization_id;
$$;
REVOKE ALL ON FUNCTION tenancy_private.offering_name(uuid, text) FROM public;

-- The workspace's preferences for the catalog.
CREATE FUNCTION tenancy.catalog_preferences(
    OUT shows_public boolean, OUT shows_paid boolean, OUT shows_contracts boolean
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('offerings.view');
    SELECT p.shows_public, p.shows_paid, p.shows_contracts INTO shows_public, shows_paid, shows_contracts
    FROM tenancy.catalog_preferences AS p
    WHERE p.workspace_id = tenancy.current_workspace_id();
    shows_public := coalesce(shows_public, true);
    shows_paid := coalesce(shows_paid, true);
    shows_contracts := coalesce(shows_contracts, true);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.catalog_preferences() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.catalog_preferences() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.catalog_preferences() IS
'The offerings of others that community_catalog() lists for the current workspace: whether public ones, those with a '
'price, and those with a price that require an agreement. Requires offerings.view.';

CREATE FUNCTION tenancy.set_catalog_preferences(
    shows_public boolean DEFAULT NULL, shows_paid boolean DEFAULT NULL,
    shows_contracts boolean DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('settings.update');
    PERFORM tenancy_private.require_person();
    INSERT INTO tenancy.catalog_preferences AS p (workspace_id, shows_public, shows_paid, shows_contracts)
    VALUES (
        tenancy.current_workspace_id(), coalesce(set_catalog_preferences.shows_public, true),
        coalesce(set_catalog_preferences.shows_paid, true), coalesce(set_catalog_preferences.shows_contracts, true)
    )
    ON CONFLICT ON CONSTRAINT catalog_preferences_pkey DO UPDATE SET
        shows_public = coalesce(set_catalog_preferences.shows_public, p.shows_public),
        shows_paid = coalesce(set_catalog_preferences.shows_paid, p.shows_paid),
        shows_contracts = coalesce(set_catalog_preferences.shows_contracts, p.shows_contracts);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.set_catalog_preferences(boolean, boolean, boolean) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.set_catalog_preferences(boolean, boolean, boolean)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.set_catalog_preferences(boolean, boolean, boolean) IS
'Changes what community_catalog() lists; NULL leaves a switch as it is. Requires settings.update and a person.';

CREATE FUNCTION tenancy.community_catalog(after_id uuid DEFAULT NULL, page_size integer DEFAULT 100)
RETURNS TABLE (
    id uuid, name text, code text, organization_name text, title text, description text,
    model_id uuid, access_policy text,
    eur_per_1k numeric, is_allowed boolean, reason text
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
-- A page is read in the order of the index: the planner expects that few offerings are listed,
-- and would otherwise check and sort all of them.
SET enable_sort = off
AS $$
DECLARE
    consumer CONSTANT uuid := tenancy.current_workspace_id();
    wanted CONSTANT record := tenancy.catalog_preferences();
    seen_at CONSTANT timestamptz := clock_timestamp();
BEGIN
    PERFORM tenancy_private.require_page_size(page_size);
    IF NOT wanted.shows_public THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH page AS MATERIALIZED (
        SELECT o.*, p.price, g.slug::text AS slug, g.name::text AS organization_title
        FROM public.organization_models AS o
        INNER JOIN tenancy.workspaces AS w ON o.organization_id = w.id AND w.deleted_at IS NULL
        INNER JOIN public.organizations AS g ON o.organization_id = g.id
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN o.access_policy = 'free' THEN 0
                ELSE tenancy_private.offering_price(o.organization_id, o.id, seen_at)
            END AS price
        ) AS p
        WHERE o.visibility = 'public'
            AND o.organization_id <> consumer
            AND o.is_active IS NOT FALSE
            AND tenancy_private.missing_activations(o) = '{}'
            AND o.id > coalesce(after_id, '00000000-0000-0000-0000-000000000000')
            AND CASE
                WHEN p.price = 0 OR o.access_policy = 'trial' THEN true
                WHEN o.access_policy = 'request_required' THEN wanted.shows_paid AND wanted.shows_contracts
                ELSE wanted.shows_paid
            END
        ORDER BY o.id
        LIMIT page_size
    )

    SELECT
        p.id, p.slug || '/' || p.code::text, p.code::text, p.organization_title, p.name::text, p.description::text, p.model_id,
        p.access_policy, a.eur_per_1k, a.is_allowed, a.reason
    FROM page AS p
    CROSS JOIN LATERAL tenancy_private.offering_access(consumer, p.id, seen_at) AS a
    ORDER BY p.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.community_catalog(uuid, integer) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.community_catalog(uuid, integer)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.community_catalog(uuid, integer) IS
'Public offerings of other organizations that the workspace wants to see, by id: for the next page give the last id. '
'eur_per_1k is the price for this workspace; is_allowed and reason show whether it may use the offering now. '
'Requires offerings.view. Raises 22023 page_size_invalid.';

-- Two queries, each with its index: a condition with OR would read the whole tables.
CREATE FUNCTION tenancy.shared_offerings()
RETURNS TABLE (
    id uuid, name text, code text, title text, description text, model_id uuid, right_kind text,
    status text,
    eur_per_1k numeric, starts_at timestamptz, ends_at timestamptz, quota_tokens bigint,
    used_tokens bigint
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    consumer CONSTANT uuid := tenancy.current_workspace_id();
    seen_at CONSTANT timestamptz := clock_timestamp();
BEGIN
    PERFORM tenancy.require_permission('offerings.view');
    RETURN QUERY
    SELECT
        o.id, g.slug::text || '/' || o.code::text, o.code::text, o.name::text, o.description::text, o.model_id, r.right_kind,
        r.status,
        coalesce(
            r.agreed, CASE WHEN o.access_policy = 'free' THEN 0 END,
            tenancy_private.offering_price(o.organization_id, o.id, seen_at)
        ),
        r.starts_at, r.ends_at, r.quota_tokens, r.used_tokens
    FROM (
        SELECT
            s.provider_organization_id AS organization_id, s.organization_model_id AS offering_id, 'share' AS right_kind,
            CASE WHEN s.starts_at > seen_at THEN 'upcoming' ELSE s.status::text END AS status,
            tenancy_private.shared_price(s.pricing::jsonb) AS agreed,
            s.starts_at::timestamptz AS starts_at, s.ends_at::timestamptz AS ends_at,
            NULL::bigint AS quota_tokens, NULL::bigint AS used_tokens
        FROM public.organization_model_shares AS s
        WHERE s.consumer_organization_id = consumer
            AND s.status::text IN ('active', 'paused') AND (s.ends_at IS NULL OR s.ends_at > seen_at)
        UNION ALL
        SELECT
            e.organization_id, e.offering_id, e.kind,
            CASE
                WHEN e.starts_at > seen_at THEN 'upcoming'
                WHEN e.used_tokens >= e.quota_tokens THEN 'used_up'
                ELSE 'active'
            END,
            e.eur_per_1k, e.starts_at, nullif(e.ends_at, 'infinity'), e.quota_tokens, e.used_tokens
        FROM tenancy.entitlements AS e
        WHERE e.consumer_id = consumer AND e.revoked_at IS NULL AND e.ends_at > seen_at
    ) AS r
    INNER JOIN public.organization_models AS o ON r.offering_id = o.id AND r.organization_id = o.organization_id
    INNER JOIN tenancy.workspaces AS w ON o.organization_id = w.id AND w.deleted_at IS NULL
    INNER JOIN public.organizations AS g ON o.organization_id = g.id
    -- Anybody may start a trial, so it shows nothing of an offering that has become private.
    WHERE r.right_kind <> 'trial' OR (SELECT a.is_known FROM tenancy_private.offering_access(consumer, o.id, seen_at) AS a)
    ORDER BY 2, r.right_kind;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.shared_offerings() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.shared_offerings() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.shared_offerings() IS
'Offerings that the current workspace may use: by shares, agreements and trials, with the remaining quota. Requires '
'offerings.view.';

-- The order is fixed: an id, the exact model_id of a public model, then slug and code.
CREATE FUNCTION tenancy.resolve_offering(
    name text,
    OUT kind text, OUT id uuid, OUT model_id uuid, OUT organization_id uuid, OUT full_name text,
    OUT is_allowed boolean,
    OUT reason text, OUT access text, OUT eur_per_1k numeric
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    consumer CONSTANT uuid := tenancy.current_workspace_id();
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    named_id CONSTANT uuid := CASE
        WHEN resolve_offering.name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN resolve_offering.name::uuid
    END;
    slash CONSTANT integer := strpos(resolve_offering.name, '/');
    found record;
BEGIN
    PERFORM tenancy.require_permission('offerings.view');
    IF named_id IS NOT NULL THEN
        id := (SELECT o.id FROM public.organization_models AS o WHERE o.id = named_id);
        IF id IS NULL THEN
            model_id := (
                SELECT m.id FROM public.models AS m WHERE m.id = named_id AND m.workspace_id IN (nobody, consumer)
            );
        END IF;
    ELSE
        model_id := (
            SELECT m.id FROM public.models AS m WHERE m.workspace_id = nobody AND m.model_id::text = resolve_offering.name
        );
        IF model_id IS NULL AND coalesce(slash, 0) = 0 THEN
            RAISE EXCEPTION 'the name of an offering must begin with its organization'
            USING ERRCODE = '55000',
            CONSTRAINT = 'organization_required',
            HINT = 'Write organization/code, as tenancy.community_catalog() does.';
        END IF;
        IF model_id IS NULL THEN
            id := (
                SELECT o.id
                FROM public.organizations AS g
                INNER JOIN public.organization_models AS o ON g.id = o.organization_id
                WHERE g.slug::text = left(resolve_offering.name, slash - 1)
                    AND o.code::text = substr(resolve_offering.name, slash + 1)
            );
        END IF;
    END IF;
    IF model_id IS NOT NULL THEN
        kind := 'model';
        SELECT m.model_id::text, m.is_active IS NOT FALSE INTO full_name, is_allowed
        FROM public.models AS m WHERE m.id = resolve_offering.model_id;
        reason := CASE WHEN NOT is_allowed THEN 'inactive' END;
        access := 'model';
        RETURN;
    END IF;
    found := tenancy_private.offering_access(consumer, id, clock_timestamp());
    IF NOT found.is_known THEN
        PERFORM tenancy_private.refuse_offering();
    END IF;
    kind := 'offering';
    model_id := found.model_id;
    organization_id := found.provider_id;
    is_allowed := found.is_allowed;
    reason := found.reason;
    access := found.access;
    eur_per_1k := found.eur_per_1k;
    full_name := (
        SELECT tenancy_private.offering_name(o.organization_id, o.code::text)
        FROM public.organization_models AS o WHERE o.id = resolve_offering.id
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.resolve_offering(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.resolve_offering(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.resolve_offering(text) IS
'Finds an offering by a client''s name: an id, a public model, or organization/code; whether the workspace may use it '
'now, with which right and at which price, or the reason why not. Requires offerings.view. Raises 55000 '
'organization_required, P0002 offering_not_found.';

-- The provider's side ---------------------------------------------------------

-- An offering of the organization, locked.
CREATE FUNCTION tenancy_private.own_offering(
    organization_id uuid, offering uuid
) RETURNS public.organization_models
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found public.organization_models;
BEGIN
    SELECT o.* INTO found
    FROM public.organization_models AS o
    WHERE o.id = offering AND o.organization_id = own_offering.organization_id
    FOR NO KEY UPDATE;
    IF found.id IS NULL THEN
        PERFORM tenancy_private.refuse_offering();
    END IF;
    RETURN found;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.own_offering(uuid, uuid) FROM public;

CREATE FUNCTION tenancy_private.check_offering(
    code text, name text, visibility text, access_policy text, trial_days integer,
    trial_tokens bigint
) RETURNS void
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem CONSTANT text := CASE
        WHEN code IS NULL OR code !~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'
            THEN 'a code is 1 to 63 small letters, digits, and between them . _ -'
        WHEN name IS NULL OR btrim(name) = '' OR length(name) > 200 THEN 'a name must have 1 to 200 characters'
        WHEN visibility IS NULL OR visibility NOT IN ('public', 'unlisted', 'private')
            THEN 'a visibility is public, unlisted or private'
        WHEN access_policy IS NULL OR access_policy NOT IN (
            'free', 'subscription_required', 'request_required', 'pay_per_token', 'trial'
        ) THEN 'an access policy is free, subscription_required, request_required, pay_per_token or trial'
        WHEN access_policy = 'trial' AND num_nonnulls(trial_days, trial_tokens) = 0 THEN 'a trial ends by days or by tokens'
        WHEN trial_days NOT BETWEEN 1 AND 3650 OR trial_tokens <= 0 THEN 'a trial must have 1 to 3650 days, and more '
            'than 0 tokens'
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem
        USING ERRCODE = '22023',
        CONSTRAINT = 'offering_invalid',
        HINT = 'Nothing was changed.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_offering(text, text, text, text, integer, bigint)
FROM public;

CREATE FUNCTION tenancy_private.checked_price(eur_per_1k numeric) RETURNS numeric
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF eur_per_1k >= 0 AND eur_per_1k < 1000000 AND eur_per_1k = round(eur_per_1k, 6) THEN
        RETURN eur_per_1k;
    END IF;
    RAISE EXCEPTION 'a price must be at least 0 and less than 1000000, with at most 6 decimals'
    USING ERRCODE = '22023',
    CONSTRAINT = 'price_invalid',
    HINT = 'Give euros for 1,000 tokens.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.checked_price(numeric) FROM public;

-- A price must be known before it counts: one that began in the past would change the cost of
-- calls that are not recorded yet.
CREATE FUNCTION tenancy_private.add_offering_price(
    organization_id uuid, offering uuid, eur_per_1k numeric, valid_from timestamptz, user_id uuid
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    price CONSTANT numeric := tenancy_private.checked_price(eur_per_1k);
    begins_at CONSTANT timestamptz := coalesce(valid_from, clock_timestamp());
BEGIN
    IF begins_at < clock_timestamp() - interval '1 second' OR begins_at > clock_timestamp() + interval '1 year' THEN
        RAISE EXCEPTION 'a price must begin now or within a year'
        USING ERRCODE = '22023',
        CONSTRAINT = 'price_time_invalid',
        HINT = 'Leave valid_from out for a price that begins now.';
    END IF;
    INSERT INTO tenancy.offering_prices (organization_id, offering_id, valid_from, number, eur_per_1k, user_id)
    SELECT
        add_offering_price.organization_id, offering, begins_at, coalesce(max(p.number), 0) + 1, price,
        add_offering_price.user_id
    FROM tenancy.offering_prices AS p
    WHERE p.organization_id = add_offering_price.organization_id AND p.offering_id = offering AND p.valid_from = begins_at;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.add_offering_price(uuid, uuid, numeric, timestamptz, uuid)
FROM public;

CREATE FUNCTION tenancy_private.refuse_code() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'this organization already has an offering with this code'
    USING ERRCODE = '23505',
    CONSTRAINT = 'offering_code_taken',
    HINT = 'Give it another code, or change the other one with tenancy.update_offering().';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_code() FROM public;

CREATE FUNCTION tenancy.publish_offering(
    model uuid, code text, name text, visibility text DEFAULT 'private',
    access_policy text DEFAULT 'request_required',
    eur_per_1k numeric DEFAULT NULL, description text DEFAULT NULL, trial_days integer DEFAULT NULL,
    trial_tokens bigint DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('offerings.publish');
    new_id CONSTANT uuid := gen_random_uuid();
BEGIN
    IF publish_offering.eur_per_1k IS NOT NULL THEN
        PERFORM tenancy.require_permission('offerings.price');
    END IF;
    PERFORM tenancy_private.check_offering(
        publish_offering.code, publish_offering.name, publish_offering.visibility, publish_offering.access_policy,
        publish_offering.trial_days, publish_offering.trial_tokens
    );
    IF NOT EXISTS (
        SELECT FROM public.models AS m
        WHERE m.id = publish_offering.model
            AND m.workspace_id IN (acting.organization_id, '00000000-0000-0000-0000-000000000000')
    ) THEN
        RAISE EXCEPTION 'this workspace has no such model'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'model_not_found',
        HINT = 'An organization can offer its own models and public ones.';
    END IF;
    IF EXISTS (
        SELECT FROM public.organization_models AS o
        WHERE o.organization_id = acting.organization_id AND o.code::text = publish_offering.code
    ) THEN
        PERFORM tenancy_private.refuse_code();
    END IF;
    PERFORM tenancy_private.insert_row('public.organization_models', jsonb_build_object(
        'id', new_id, 'organization_id', acting.organization_id, 'model_id', publish_offering.model,
        'name', publish_offering.name, 'code', publish_offering.code, 'description', publish_offering.description,
        'is_active', true, 'visibility', publish_offering.visibility, 'access_policy', publish_offering.access_policy,
        'trial_days', publish_offering.trial_days, 'trial_tokens', publish_offering.trial_tokens
    ));
    IF publish_offering.eur_per_1k IS NOT NULL THEN
        PERFORM tenancy_private.add_offering_price(
            acting.organization_id, new_id, publish_offering.eur_per_1k, NULL, acting.user_id
        );
    END IF;
    RETURN new_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.publish_offering(
    uuid, text, text, text, text, numeric, text, integer, bigint
) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.publish_offering(
    uuid, text, text, text, text, numeric, text, integer, bigint
) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.publish_offering(uuid, text, text, text, text, numeric, text, integer, bigint) IS
'Offers a model of the organization, or a public one, to others, under the name organization/code. Requires '
'offerings.publish, and offerings.price to set a price. Raises P0002 model_not_found, 23505 offering_code_taken, '
'22023 offering_invalid, price_invalid.';

CREATE FUNCTION tenancy.update_offering(
    offering uuid, name text DEFAULT NULL, code text DEFAULT NULL, description text DEFAULT NULL,
    visibility text DEFAULT NULL, access_policy text DEFAULT NULL, is_active boolean DEFAULT NULL,
    trial_days integer DEFAULT NULL, trial_tokens bigint DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('offerings.update');
    old public.organization_models;
    changes jsonb;
BEGIN
    old := tenancy_private.own_offering(acting.organization_id, update_offering.offering);
    PERFORM tenancy_private.check_offering(
        coalesce(update_offering.code, 'unchanged'), coalesce(update_offering.name, 'unchanged'),
        coalesce(update_offering.visibility, old.visibility),
        coalesce(update_offering.access_policy, old.access_policy), coalesce(update_offering.trial_days, old.trial_days),
        coalesce(update_offering.trial_tokens, old.trial_tokens)
    );
    IF EXISTS (
        SELECT FROM public.organization_models AS o
        WHERE o.organization_id = acting.organization_id AND o.code::text = update_offering.code AND o.id <> old.id
    ) THEN
        PERFORM tenancy_private.refuse_code();
    END IF;
    changes := jsonb_strip_nulls(jsonb_build_object(
        'name', update_offering.name, 'code', update_offering.code, 'description', update_offering.description,
        'visibility', update_offering.visibility, 'access_policy', update_offering.access_policy,
        'is_active', update_offering.is_active, 'trial_days', update_offering.trial_days,
        'trial_tokens', update_offering.trial_tokens
    ));
    IF changes <> '{}' THEN
        PERFORM tenancy_private.update_rows('public.organization_models', jsonb_build_object('id', old.id), changes);
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.update_offering(
    uuid, text, text, text, text, text, boolean, integer, bigint
) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.update_offering(
    uuid, text, text, text, text, text, boolean, integer, bigint
) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.update_offering(uuid, text, text, text, text, text, boolean, integer, bigint) IS
'Changes an offering of the organization; NULL leaves a value as it is. Requires offerings.update. Raises P0002 '
'offering_not_found, 23505 offering_code_taken, 22023 offering_invalid.';

CREATE FUNCTION tenancy.set_offering_price(
    offering uuid, eur_per_1k numeric, valid_from timestamptz DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('offerings.price');
BEGIN
    PERFORM tenancy_private.own_offering(acting.organization_id, set_offering_price.offering);
    PERFORM tenancy_private.add_offering_price(
        acting.organization_id, set_offering_price.offering, set_offering_price.eur_per_1k,
        set_offering_price.valid_from, acting.user_id
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.set_offering_price(uuid, numeric, timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.set_offering_price(uuid, numeric, timestamptz)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.set_offering_price(uuid, numeric, timestamptz) IS
'Sets the price of 1,000 tokens from a time on, now or later; earlier calls keep their price. Requires '
'offerings.price. Raises P0002 offering_not_found, 22023 price_invalid, price_time_invalid.';

-- Shares ----------------------------------------------------------------------

CREATE FUNCTION tenancy_private.check_period(
    starts_at timestamptz, ends_at timestamptz
) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT coalesce(isfinite(starts_at), true) OR starts_at < now() - interval '1 minute'
        OR ends_at <= greatest(starts_at, clock_timestamp())
    THEN
        RAISE EXCEPTION 'a period must begin now or later, and end after that'
        USING ERRCODE = '22023',
        CONSTRAINT = 'period_invalid',
        HINT = 'Omit starts_at to begin now, and ends_at for no end.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_period(timestamptz, timestamptz) FROM public;

CREATE FUNCTION tenancy.share_offering(
    offering uuid, consumer_organization uuid, pricing jsonb DEFAULT NULL,
    starts_at timestamptz DEFAULT NULL,
    ends_at timestamptz DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('offerings.share');
    new_id CONSTANT uuid := gen_random_uuid();
BEGIN
    PERFORM tenancy_private.own_offering(acting.organization_id, share_offering.offering);
    PERFORM tenancy_private.check_period(share_offering.starts_at, share_offering.ends_at);
    IF share_offering.pricing IS NOT NULL AND share_offering.pricing <> '{}'
        AND (
            tenancy_private.shared_price(share_offering.pricing) IS NULL
            OR share_offering.pricing - ARRAY['version', 'type', 'eur_per_1k'] <> '{}'
            OR tenancy_private.shared_price(share_offering.pricing) <> (share_offering.pricing ->> 'eur_per_1k')::numeric
        )
    THEN
        RAISE EXCEPTION 'invalid pricing of a share'
        USING ERRCODE = '22023',
        CONSTRAINT = 'pricing_invalid',
        HINT = 'Write {"version": 1, "type": "per_1k_tokens", "eur_per_1k": 0.2}, or omit it for the offering''s '
            'price.';
    END IF;
    IF share_offering.pricing IS NOT NULL AND share_offering.pricing <> '{}' THEN
        PERFORM tenancy.require_permission('offerings.price');
    END IF;
    IF share_offering.consumer_organization = acting.organization_id OR NOT EXISTS (
        SELECT FROM tenancy.workspaces AS w
        WHERE w.id = share_offering.consumer_organization AND w.organization_id IS NOT NULL AND w.deleted_at IS NULL
    ) THEN
        RAISE EXCEPTION 'no such organization to share with'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'consumer_not_found',
        HINT = 'Give the id of another organization.';
    END IF;
    -- The offering is locked, so shares are created one at a time.
    IF EXISTS (
        SELECT FROM public.organization_model_shares AS s
        WHERE s.organization_model_id = share_offering.offering
            AND s.consumer_organization_id = share_offering.consumer_organization
            AND s.provider_organization_id = acting.organization_id
            AND s.status::text IN ('active', 'paused')
            AND (s.ends_at IS NULL OR s.ends_at > clock_timestamp())
    ) THEN
        RAISE EXCEPTION 'the offering is already shared with this organization'
        USING ERRCODE = '23505',
        CONSTRAINT = 'already_shared',
        HINT = 'End that share with tenancy.revoke_share() first.';
    END IF;
    -- An expired one still has the status active.
    PERFORM tenancy_private.update_rows(
        'public.organization_model_shares', jsonb_build_object('id', s.id), jsonb_build_object('status', 'revoked')
    )
    FROM public.organization_model_shares AS s
    WHERE s.organization_model_id = share_offering.offering
        AND s.consumer_organization_id = share_offering.consumer_organization
        AND s.provider_organization_id = acting.organization_id
        AND s.status::text IN ('active', 'paused');
    PERFORM tenancy_private.insert_row('public.organization_model_shares', jsonb_build_object(
        'id', new_id, 'provider_organization_id', acting.organization_id,
        'consumer_organization_id', share_offering.consumer_organization, 'organization_model_id', share_offering.offering,
        'status', 'active', 'pricing', coalesce(share_offering.pricing, '{}'),
        'starts_at', coalesce(share_offering.starts_at, clock_timestamp()), 'ends_at', share_offering.ends_at
    ));
    RETURN new_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.share_offering(uuid, uuid, jsonb, timestamptz, timestamptz)
FROM public;
GRANT EXECUTE ON FUNCTION tenancy.share_offering(uuid, uuid, jsonb, timestamptz, timestamptz)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.share_offering(uuid, uuid, jsonb, timestamptz, timestamptz) IS
'Shares an offering with another organization, whatever its visibility and access policy, at a price of its own or, '
'without pricing, at the offering''s. Requires offerings.share. Raises P0002 offering_not_found, consumer_not_found, '
'23505 already_shared, 22023 pricing_invalid, period_invalid.';

-- Common part of the three functions below.
CREATE FUNCTION tenancy_private.change_share(
    share uuid, wanted_status text, from_statuses text[]
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('offerings.share');
    old record;
    ended_at CONSTANT timestamptz := clock_timestamp();
BEGIN
    SELECT s.id, s.status::text AS status, s.starts_at::timestamptz AS starts_at, s.ends_at::timestamptz AS ends_at INTO old
    FROM public.organization_model_shares AS s
    WHERE s.id = share AND s.provider_organization_id = acting.organization_id
    FOR NO KEY UPDATE;
    IF old.id IS NULL THEN
        RAISE EXCEPTION 'this organization has no such share'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'share_not_found',
        HINT = 'public.organization_model_shares lists the organization''s shares.';
    END IF;
    IF old.status <> ALL(from_statuses) THEN
        RAISE EXCEPTION 'the share is %', old.status
        USING ERRCODE = '55000',
        CONSTRAINT = 'share_state_invalid',
        HINT = format('This is for shares that are %s.', array_to_string(from_statuses, ' or '));
    END IF;
    PERFORM tenancy_private.update_rows(
        'public.organization_model_shares', jsonb_build_object('id', old.id),
        jsonb_build_object('status', wanted_status) || CASE
            WHEN wanted_status = 'revoked' AND coalesce(old.ends_at > ended_at, true)
                -- One that was still to begin ends as it begins, and prices no call.
                AND coalesce(isfinite(old.starts_at), true)
                THEN jsonb_build_object('ends_at', greatest(ended_at, old.starts_at + interval '1 microsecond'))
            ELSE '{}'
        END
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.change_share(uuid, text, text[]) FROM public;

CREATE FUNCTION tenancy.pause_share(share uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.change_share(share, 'paused', '{active}');
END;
$$;
REVOKE ALL ON FUNCTION tenancy.pause_share(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.pause_share(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.pause_share(uuid) IS
'Refuses further calls by a share until resume_share(). A call that was authorized before is still charged. Requires '
'offerings.share. Raises P0002 share_not_found, 55000 share_state_invalid.';

CREATE FUNCTION tenancy.resume_share(share uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.change_share(share, 'active', '{paused}');
END;
$$;
REVOKE ALL ON FUNCTION tenancy.resume_share(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.resume_share(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.resume_share(uuid) IS
'Resumes a paused share. Requires offerings.share. Raises P0002 share_not_found, 55000 share_state_invalid.';

CREATE FUNCTION tenancy.revoke_share(share uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.change_share(share, 'revoked', '{active,paused}');
END;
$$;
REVOKE ALL ON FUNCTION tenancy.revoke_share(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.revoke_share(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.revoke_share(uuid) IS
'Ends a share permanently. Requires offerings.share. Raises P0002 share_not_found, 55000 share_state_invalid.';

-- Requests and entitlements ----------------------------------------------------

CREATE FUNCTION tenancy.request_access(offering uuid, message text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    consumer CONSTANT uuid := tenancy.current_workspace_id();
    found record;
    new_id uuid;
BEGIN
    PERFORM tenancy.require_permission('offerings.request');
    PERFORM tenancy_private.require_person();
    found := tenancy_private.offering_access(consumer, request_access.offering, clock_timestamp());
    IF NOT found.is_known THEN
        PERFORM tenancy_private.refuse_offering();
    END IF;
    IF found.access IN ('own', 'share', 'contract') THEN
        RAISE EXCEPTION 'the workspace may already use this offering'
        USING ERRCODE = '23505',
        CONSTRAINT = 'access_granted',
        HINT = 'tenancy.shared_offerings() shows by which right.';
    END IF;
    IF length(request_access.message) > 2000 THEN
        RAISE EXCEPTION 'a message must have at most 2000 characters'
        USING ERRCODE = '22023',
        CONSTRAINT = 'message_invalid';
    END IF;
    INSERT INTO tenancy.access_requests AS r (organization_id, offering_id, consumer_id, requested_by_user_id, message)
    VALUES (found.provider_id, request_access.offering, consumer, tenancy.current_user_id(), request_access.message)
    ON CONFLICT (offering_id, consumer_id, organization_id) WHERE status = 'pending' DO NOTHING
    RETURNING r.id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION 'the workspace has already requested this offering'
        USING ERRCODE = '23505',
        CONSTRAINT = 'already_requested',
        HINT = 'tenancy.access_requests() shows the answer once it is given.';
    END IF;
    RETURN new_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.request_access(uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.request_access(uuid, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.request_access(uuid, text) IS
'Requests access to an offering from its provider for the current workspace. Requires offerings.request and a '
'person. Raises P0002 offering_not_found, 23505 already_requested, access_granted.';

-- Two queries again: requests that the workspace made, and those that it received.
CREATE FUNCTION tenancy.access_requests(status text DEFAULT NULL)
RETURNS TABLE (
    id uuid, direction text, offering_id uuid, name text, other_workspace_id uuid, other_name text,
    message text,
    request_status text, created_at timestamptz, decided_at timestamptz, reason text
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    workspace CONSTANT uuid := tenancy.current_workspace_id();
BEGIN
    PERFORM tenancy.require_permission('offerings.view');
    RETURN QUERY
    SELECT
        r.id, r.direction, r.offering_id, tenancy_private.offering_name(r.organization_id, o.code::text),
        r.other_id,
        coalesce(g.name::text, u.username::text), r.message, r.status, r.created_at, r.decided_at, r.reason
    FROM (
        SELECT q.*, 'made' AS direction, q.organization_id AS other_id
        FROM tenancy.access_requests AS q
        -- Offerings that have become private are treated as deleted.
        CROSS JOIN LATERAL tenancy_private.offering_access(workspace, q.offering_id, clock_timestamp()) AS a
        WHERE q.consumer_id = workspace AND a.is_known
        UNION ALL
        SELECT q.*, 'received', q.consumer_id
        FROM tenancy.access_requests AS q WHERE q.organization_id = workspace
    ) AS r
    INNER JOIN public.organization_models AS o ON r.offering_id = o.id
    LEFT JOIN public.organizations AS g ON r.other_id = g.id
    LEFT JOIN public.users AS u ON r.other_id = u.id
    WHERE access_requests.status IS NULL OR r.status = access_requests.status
    ORDER BY r.created_at DESC, r.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.access_requests(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.access_requests(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.access_requests(text) IS
'Requests that the current workspace made or received, the newest first; all, or those pending, approved or denied. '
'Requires offerings.view.';

-- A request that the organization received and has not decided, locked.
CREATE FUNCTION tenancy_private.pending_request(
    organization_id uuid, request uuid
) RETURNS tenancy.access_requests
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found tenancy.access_requests;
BEGIN
    SELECT r.* INTO found FROM tenancy.access_requests AS r
    WHERE r.organization_id = pending_request.organization_id AND r.id = request
    FOR NO KEY UPDATE;
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'this organization has no such request'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'request_not_found',
        HINT = 'tenancy.access_requests() lists the received requests.';
    END IF;
    IF found.status <> 'pending' THEN
        RAISE EXCEPTION 'the request was %', found.status
        USING ERRCODE = '55000',
        CONSTRAINT = 'request_not_pending',
        HINT = 'A request is decided once; tenancy.revoke_entitlement() ends an approved one.';
    END IF;
    RETURN found;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.pending_request(uuid, uuid) FROM public;

CREATE FUNCTION tenancy.approve_access(
    request uuid, ends_at timestamptz DEFAULT NULL, quota_tokens bigint DEFAULT NULL,
    eur_per_1k numeric DEFAULT NULL,
    starts_at timestamptz DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('offerings.approve');
    decided CONSTANT timestamptz := clock_timestamp();
    asked tenancy.access_requests;
    new_id uuid;
BEGIN
    asked := tenancy_private.pending_request(acting.organization_id, approve_access.request);
    PERFORM tenancy_private.check_period(approve_access.starts_at, approve_access.ends_at);
    IF approve_access.quota_tokens <= 0 THEN
        RAISE EXCEPTION 'a quota must be more than 0 tokens'
        USING ERRCODE = '22023',
        CONSTRAINT = 'quota_invalid',
        HINT = 'Omit quota_tokens for an unlimited number.';
    END IF;
    IF approve_access.eur_per_1k IS NOT NULL THEN
        PERFORM tenancy.require_permission('offerings.price');
        PERFORM tenancy_private.checked_price(approve_access.eur_per_1k);
    END IF;
    -- This ends the earlier agreement.
    UPDATE tenancy.entitlements AS e SET revoked_at = decided
    WHERE e.organization_id = acting.organization_id AND e.offering_id = asked.offering_id
        AND e.consumer_id = asked.consumer_id AND e.kind = 'contract' AND e.revoked_at IS NULL;
    INSERT INTO tenancy.entitlements AS e (
        organization_id, offering_id, consumer_id, kind, request_id, starts_at, ends_at, quota_tokens, eur_per_1k
    )
    VALUES (
        acting.organization_id, asked.offering_id, asked.consumer_id, 'contract', asked.id,
        coalesce(approve_access.starts_at, decided), coalesce(approve_access.ends_at, 'infinity'),
        approve_access.quota_tokens, approve_access.eur_per_1k
    )
    RETURNING e.id INTO new_id;
    UPDATE tenancy.access_requests AS r
    SET status = 'approved', decided_at = decided, decided_by_user_id = acting.user_id
    WHERE r.organization_id = acting.organization_id AND r.id = asked.id;
    RETURN new_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.approve_access(uuid, timestamptz, bigint, numeric, timestamptz)
FROM public;
GRANT EXECUTE ON FUNCTION tenancy.approve_access(uuid, timestamptz, bigint, numeric, timestamptz)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.approve_access(uuid, timestamptz, bigint, numeric, timestamptz) IS
'Approves a request: for a period, for a number of tokens, at a price of its own, or without limits and at the '
'offering''s price. Returns the entitlement. Requires offerings.approve. Raises P0002 request_not_found, 55000 '
'request_not_pending, 22023 period_invalid, quota_invalid, price_invalid.';

CREATE FUNCTION tenancy.deny_access(request uuid, reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('offerings.approve');
BEGIN
    PERFORM tenancy_private.pending_request(acting.organization_id, deny_access.request);
    UPDATE tenancy.access_requests AS r
    SET status = 'denied', decided_at = clock_timestamp(), decided_by_user_id = acting.user_id, reason = deny_access.reason
    WHERE r.organization_id = acting.organization_id AND r.id = deny_access.request;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.deny_access(uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.deny_access(uuid, text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.deny_access(uuid, text) IS
'Denies a request; the workspace may request again. Requires offerings.approve. Raises P0002 request_not_found, '
'55000 request_not_pending.';

CREATE FUNCTION tenancy.revoke_entitlement(entitlement uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('offerings.approve');
BEGIN
    UPDATE tenancy.entitlements AS e SET revoked_at = clock_timestamp()
    WHERE e.organization_id = acting.organization_id AND e.id = revoke_entitlement.entitlement AND e.revoked_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this organization has no such active entitlement'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'entitlement_not_found',
        HINT = 'tenancy.entitlements lists the organization''s agreements and trials.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.revoke_entitlement(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.revoke_entitlement(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.revoke_entitlement(uuid) IS
'Ends an agreement or a trial. A call that was authorized before is still charged. Requires offerings.approve. '
'Raises P0002 entitlement_not_found.';

\ir ../../notes/done.psql
COMMIT;
