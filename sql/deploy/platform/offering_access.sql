-- Deploy pg-tenancy:platform/offering_access to pg
-- requires: platform/offerings

\set change platform/offering_access
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

-- An organization's shares of an offering, of every state. Neither SECURITY DEFINER nor with a
-- SET clause, so that it is inlined; and its body is a string, so that the application can
-- change the types of its columns.
CREATE FUNCTION tenancy_private.shares_with(consumer_id uuid, provider_id uuid, offering_id uuid)
RETURNS TABLE (
    id uuid, status text, eur_per_1k numeric, starts_at timestamptz, ends_at timestamptz
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
AS $$
SELECT s.id, s.status::text, tenancy_private.shared_price(s.pricing::jsonb), s.starts_at::timestamptz, s.ends_at::timestamptz
FROM public.organization_model_shares AS s
WHERE s.consumer_organization_id = shares_with.consumer_id
    AND s.provider_organization_id = shares_with.provider_id
    AND s.organization_model_id = shares_with.offering_id;
$$;
REVOKE ALL ON FUNCTION tenancy_private.shares_with(uuid, uuid, uuid) FROM public;

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
    began_at timestamptz;
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
        SELECT s.* INTO share
        FROM tenancy_private.shares_with(consumer, provider_id, offering.id) AS s
        WHERE s.status IN ('active', 'paused')
            AND (s.ends_at IS NULL OR s.ends_at > seen_at)
            AND (s.starts_at IS NULL OR s.starts_at <= seen_at)
        ORDER BY s.status, s.starts_at DESC NULLS LAST, s.id
        LIMIT 1;
        SELECT
            e.id, e.eur_per_1k, e.kind, e.starts_at,
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
            -- If the share began after that moment, the price of the share before it.
            IF share.starts_at > priced_at THEN
                SELECT s.eur_per_1k, s.starts_at INTO agreed_eur_per_1k, began_at
                FROM tenancy_private.shares_with(consumer, provider_id, offering.id) AS s
                WHERE s.starts_at <= priced_at AND s.ends_at > priced_at
                ORDER BY s.starts_at DESC, s.id
                LIMIT 1;
            END IF;
            IF began_at IS NULL THEN
                agreed_eur_per_1k := share.eur_per_1k;
                began_at := share.starts_at;
            END IF;
        ELSIF entitlement.is_current AND NOT entitlement.is_used_up THEN
            access := entitlement.kind;
            entitlement_id := entitlement.id;
            agreed_eur_per_1k := entitlement.eur_per_1k;
            began_at := entitlement.starts_at;
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

    -- Prices that a free offering had, or will have, do not count for those with a right either.
    IF offering.access_policy = 'free' THEN
        agreed_eur_per_1k := coalesce(agreed_eur_per_1k, 0);
    END IF;
    -- The provider alone decides when a right begins and ends, and neither may raise the price of
    -- calls that were served before. A quota is not extended that way.
    IF priced_at < statement_timestamp() AND access <> 'own' AND NOT coalesce(began_at <= priced_at, false) THEN
        agreed_eur_per_1k := least(agreed_eur_per_1k, (
            SELECT min(r.eur_per_1k)
            FROM (
                SELECT s.eur_per_1k
                FROM tenancy_private.shares_with(consumer, provider_id, offering.id) AS s
                WHERE s.starts_at <= priced_at AND (s.ends_at > priced_at OR s.ends_at IS NULL AND s.status = 'paused')
                UNION ALL
                SELECT e.eur_per_1k
                FROM tenancy.entitlements AS e
                WHERE e.consumer_id = consumer AND e.offering_id = offering.id
                    AND e.organization_id = offering.organization_id
                    AND e.quota_tokens IS NULL AND e.kind = 'contract'
                    AND e.starts_at <= priced_at AND least(e.ends_at, e.revoked_at) > priced_at
            ) AS r
        ));
    END IF;
    IF began_at > priced_at THEN
        agreed_eur_per_1k := least(
            agreed_eur_per_1k,
            CASE WHEN offering.access_policy = 'free' THEN 0 END,
            tenancy_private.offering_price(offering.organization_id, offering.id, priced_at)
        );
    END IF;
    eur_per_1k := coalesce(
        agreed_eur_per_1k,
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

\ir ../../notes/done.psql
COMMIT;
