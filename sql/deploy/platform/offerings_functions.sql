-- Deploy pg-tenancy:platform/offerings_functions to pg
-- requires: platform/offering_access

\set change platform/offerings_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

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
    changed_at CONSTANT timestamptz := clock_timestamp();
    old public.organization_models;
    changes jsonb;
    price numeric;
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
    -- What ceases to be free has its price from now on: calls that were served before and are
    -- recorded later stay free.
    IF old.access_policy = 'free' AND update_offering.access_policy <> 'free' THEN
        price := tenancy_private.offering_price(acting.organization_id, old.id, changed_at);
        INSERT INTO tenancy.offering_prices (organization_id, offering_id, valid_from, number, eur_per_1k, user_id)
        SELECT p.organization_id, p.offering_id, p.valid_from, max(p.number) + 1, 0, acting.user_id
        FROM tenancy.offering_prices AS p
        WHERE p.organization_id = acting.organization_id AND p.offering_id = old.id AND p.valid_from <= changed_at
        GROUP BY p.organization_id, p.offering_id, p.valid_from;
        IF price IS NOT NULL THEN
            PERFORM tenancy_private.add_offering_price(acting.organization_id, old.id, price, NULL, acting.user_id);
        END IF;
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
