-- Deploy pg-tenancy:platform/offering_usage to pg
-- requires: platform/offering_charges

\set change platform/offering_usage
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The caller: a person, or a program with a key, which bears the costs.
CREATE FUNCTION tenancy_private.calling_user() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE WHEN tenancy.current_credential_id() IS NULL THEN tenancy.current_user_id() END;
REVOKE ALL ON FUNCTION tenancy_private.calling_user() FROM public;

CREATE FUNCTION tenancy.authorize_usage(
    offering uuid, max_tokens bigint, expires_in interval DEFAULT '10 minutes'
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('offerings.use');
    RETURN tenancy_private.authorize_usage(
        tenancy.current_workspace_id(), offering, max_tokens, expires_in, tenancy.current_credential_id(),
        tenancy_private.calling_user()
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.authorize_usage(uuid, bigint, interval) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.authorize_usage(uuid, bigint, interval)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.authorize_usage(uuid, bigint, interval) IS
'Before a call is served: checks access, quota and limits, and holds its maximum cost. Returns the hold for '
'record_usage(). Requires offerings.use. Raises P0002 offering_not_found, 42501 request_required, request_pending, '
'subscription_required, share_paused, entitlement_ended, quota_exhausted, trial_ended, 55000 offering_inactive, '
'not_operational, offering_price_missing, P0001 insufficient_funds, spending_limit_reached, 22023 tokens_invalid, '
'hold_expiry_invalid.';

CREATE FUNCTION tenancy.authorize_usage_for(
    consumer uuid, offering uuid, max_tokens bigint, expires_in interval DEFAULT '10 minutes',
    api_key_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.require_consumer(consumer);
    RETURN tenancy_private.authorize_usage(consumer, offering, max_tokens, expires_in, api_key_id, user_id);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.authorize_usage_for(uuid, uuid, bigint, interval, uuid, uuid)
FROM public;
GRANT EXECUTE ON FUNCTION tenancy.authorize_usage_for(uuid, uuid, bigint, interval, uuid, uuid)
TO tenancy_service;
COMMENT ON FUNCTION tenancy.authorize_usage_for(uuid, uuid, bigint, interval, uuid, uuid) IS
'authorize_usage() for a service, which names the paying workspace. Also raises P0002 consumer_not_found.';

CREATE FUNCTION tenancy.release_usage(hold uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    money_hold uuid;
BEGIN
    PERFORM tenancy.require_permission('offerings.use');
    DELETE FROM tenancy.usage_authorizations AS a
    WHERE a.workspace_id = tenancy.current_workspace_id() AND a.id = release_usage.hold
    RETURNING a.hold_id INTO money_hold;
    IF NOT FOUND THEN
        PERFORM tenancy_private.refuse_hold();
    END IF;
    IF money_hold IS NOT NULL THEN
        PERFORM tenancy_private.release_hold(money_hold, tenancy.current_workspace_id());
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.release_usage(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.release_usage(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.release_usage(uuid) IS
'Releases the hold of authorize_usage(), for a call that was not served. Requires offerings.use. Raises P0002 '
'hold_not_found.';

CREATE FUNCTION tenancy_private.require_consumer(consumer uuid) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM tenancy.workspaces AS w
        WHERE w.id = consumer AND w.id <> '00000000-0000-0000-0000-000000000000' AND w.deleted_at IS NULL
    ) THEN
        RAISE EXCEPTION 'no such workspace'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'consumer_not_found',
        HINT = 'Give the id of an organization or of a person.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_consumer(uuid) FROM public;

CREATE FUNCTION tenancy.record_usage(
    request_id text, offering uuid, input_tokens bigint, output_tokens bigint,
    occurred_at timestamptz DEFAULT NULL,
    hold uuid DEFAULT NULL,
    OUT usage_id uuid, OUT eur_per_1k numeric, OUT amount numeric, OUT charged numeric,
    OUT unpaid numeric, OUT replayed boolean
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('offerings.use');
    SELECT r.* INTO usage_id, eur_per_1k, amount, charged, unpaid, replayed
    FROM tenancy_private.record_usage(
        tenancy.current_workspace_id(), record_usage.request_id, record_usage.offering, record_usage.input_tokens,
        record_usage.output_tokens, record_usage.occurred_at, record_usage.hold, tenancy.current_credential_id(),
        tenancy_private.calling_user()
    ) AS r;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.record_usage(text, uuid, bigint, bigint, timestamptz, uuid)
FROM public;
GRANT EXECUTE ON FUNCTION tenancy.record_usage(text, uuid, bigint, bigint, timestamptz, uuid)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.record_usage(text, uuid, bigint, bigint, timestamptz, uuid) IS
'Charges a call of an offering to the current workspace, once for each request id, for ever, at the price of its '
'time. With a hold of authorize_usage() it is booked in full, and the uncovered part is unpaid. Requires '
'offerings.use. Raises what authorize_usage() does, and 23505 reference_reused, P0002 hold_not_found, 22023 '
'request_id_invalid, occurred_at_invalid.';

CREATE FUNCTION tenancy.record_usages(requests tenancy.usage_request[])
RETURNS TABLE (
    request_id text, usage_id uuid, eur_per_1k numeric, amount numeric, charged numeric,
    unpaid numeric, replayed boolean
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.require_permission('offerings.use');
    RETURN QUERY
    SELECT r.* FROM tenancy_private.record_usages(
        tenancy.current_workspace_id(), requests, tenancy.current_credential_id(), tenancy_private.calling_user()
    ) AS r;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.record_usages(tenancy.usage_request[]) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.record_usages(tenancy.usage_request[])
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.record_usages(tenancy.usage_request[]) IS
'record_usage() for up to 10000 calls at once, all of them or none; one answer for each, in order. Also raises 22023 '
'batch_invalid.';

CREATE FUNCTION tenancy.record_usage_for(
    consumer uuid, request_id text, offering uuid, input_tokens bigint, output_tokens bigint,
    occurred_at timestamptz DEFAULT NULL, hold uuid DEFAULT NULL, api_key_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL,
    OUT usage_id uuid, OUT eur_per_1k numeric, OUT amount numeric, OUT charged numeric,
    OUT unpaid numeric, OUT replayed boolean
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.require_consumer(consumer);
    SELECT r.* INTO usage_id, eur_per_1k, amount, charged, unpaid, replayed
    FROM tenancy_private.record_usage(
        consumer, record_usage_for.request_id, record_usage_for.offering, record_usage_for.input_tokens,
        record_usage_for.output_tokens, record_usage_for.occurred_at, record_usage_for.hold, record_usage_for.api_key_id,
        record_usage_for.user_id
    ) AS r;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.record_usage_for(
    uuid, text, uuid, bigint, bigint, timestamptz, uuid, uuid, uuid
) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.record_usage_for(
    uuid, text, uuid, bigint, bigint, timestamptz, uuid, uuid, uuid
) TO tenancy_service;
COMMENT ON FUNCTION tenancy.record_usage_for(uuid, text, uuid, bigint, bigint, timestamptz, uuid, uuid, uuid) IS
'record_usage() for a service, which names the paying workspace. Also raises P0002 consumer_not_found.';

CREATE FUNCTION tenancy.reverse_usage(
    usage uuid, OUT returned numeric, OUT owed numeric, OUT replayed boolean
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    login CONSTANT name := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
    is_service CONSTANT boolean := pg_has_role(login, 'tenancy_service', 'USAGE');
    provider uuid;
    found tenancy.offering_usage;
    moved record;
BEGIN
    IF NOT is_service THEN
        provider := (SELECT a.organization_id FROM tenancy_private.act_in_organization('offerings.price') AS a);
    END IF;
    SELECT u.* INTO found FROM tenancy.offering_usage AS u
    WHERE u.id = reverse_usage.usage AND (is_service OR u.provider_id = provider)
    FOR NO KEY UPDATE;
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'this organization served no such call'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'usage_not_found',
        HINT = 'tenancy.offering_calls() lists the calls that it served.';
    END IF;
    -- Before the wallets, in the order in which calls are recorded.
    PERFORM FROM tenancy.entitlements AS e WHERE e.id = found.entitlement_id FOR NO KEY UPDATE;
    moved := tenancy_private.reverse_transfer(found.id, 'usage/' || found.id);
    returned := moved.charged;
    owed := moved.unpaid;
    replayed := moved.replayed;
    IF NOT replayed THEN
        UPDATE tenancy.offering_usage AS u SET reversed_at = clock_timestamp()
        WHERE u.workspace_id = found.workspace_id AND u.request_id = found.request_id;
        UPDATE tenancy.entitlements AS e
        SET used_tokens = greatest(e.used_tokens - (found.input_tokens + found.output_tokens), 0)
        WHERE e.id = found.entitlement_id;
        PERFORM tenancy_private.update_rows(
            'finops.inference_usage', jsonb_build_object('id', found.id, 'occurred_at', found.occurred_at),
            jsonb_build_object('charged_amount_eur', 0)
        );
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.reverse_usage(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.reverse_usage(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.reverse_usage(uuid) IS
'Returns the cost and the tokens of a call; returned is the amount returned at once, owed the amount that the '
'provider still owes. For the provider, with offerings.price, and for services. A repeated call returns the same '
'answer. Raises P0002 usage_not_found.';

-- The provider's view: sums, and calls without the caller.
CREATE FUNCTION tenancy.offering_earnings(
    since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity'
) RETURNS TABLE (
    offering_id uuid, code text, calls bigint, total_tokens bigint, amount numeric, unpaid numeric,
    reversed numeric
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    provider CONSTANT uuid := tenancy_private.read_in_organization('finops.view');
BEGIN
    RETURN QUERY
    SELECT
        u.offering_id, min(o.code::text), count(*), sum(u.input_tokens + u.output_tokens)::bigint,
        coalesce(sum(u.amount) FILTER (WHERE u.reversed_at IS NULL), 0),
        coalesce(sum(u.unpaid) FILTER (WHERE u.reversed_at IS NULL), 0),
        coalesce(sum(u.amount) FILTER (WHERE u.reversed_at IS NOT NULL), 0)
    FROM tenancy.offering_usage AS u
    LEFT JOIN public.organization_models AS o ON u.offering_id = o.id
    WHERE u.provider_id = provider AND u.workspace_id <> provider
        AND u.occurred_at >= since AND u.occurred_at < until
    GROUP BY u.offering_id
    ORDER BY 5 DESC, 1;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.offering_earnings(timestamptz, timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.offering_earnings(timestamptz, timestamptz)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.offering_earnings(timestamptz, timestamptz) IS
'The totals of other workspaces'' calls of the organization''s offerings, by offering; unpaid is the part not covered '
'when they were recorded. Requires finops.view.';

CREATE FUNCTION tenancy.offering_calls(
    offering uuid, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
    page_size integer DEFAULT 100
) RETURNS TABLE (
    usage_id uuid, occurred_at timestamptz, input_tokens bigint, output_tokens bigint, access text,
    eur_per_1k numeric,
    amount numeric, unpaid numeric, reversed_at timestamptz
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    provider CONSTANT uuid := tenancy_private.read_in_organization('finops.view');
BEGIN
    PERFORM tenancy_private.require_page_size(page_size);
    RETURN QUERY
    SELECT
        u.id, u.occurred_at, u.input_tokens, u.output_tokens, u.access, u.eur_per_1k, u.amount, u.unpaid, u.reversed_at
    FROM tenancy.offering_usage AS u
    WHERE u.provider_id = provider AND u.offering_id = offering AND u.occurred_at >= since AND u.occurred_at < until
    ORDER BY u.occurred_at DESC, u.id
    LIMIT page_size;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.offering_calls(uuid, timestamptz, timestamptz, integer) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.offering_calls(uuid, timestamptz, timestamptz, integer)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.offering_calls(uuid, timestamptz, timestamptz, integer) IS
'Calls that an offering of the organization served, newest first, without the callers: for the next page give the '
'last occurred_at as until. Requires finops.view. Raises 22023 page_size_invalid.';

-- Finds calls on which the ledger or FinOps differ. Planned for its arguments: one payer's
-- calls are read by the indexes.
CREATE FUNCTION tenancy.reconcile_usage(workspace_id uuid DEFAULT NULL)
RETURNS TABLE (problem text, payer_id uuid, usage_id uuid, expected text, found text)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    wanted CONSTANT uuid := reconcile_usage.workspace_id;
BEGIN
    RETURN QUERY
    SELECT 'call_without_movement', u.workspace_id, u.id, u.amount::text, NULL
    FROM tenancy.offering_usage AS u
    WHERE (wanted IS NULL OR u.workspace_id = wanted)
        AND NOT EXISTS (SELECT FROM tenancy.transfers AS t WHERE t.id = u.id AND t.workspace_id = u.workspace_id)
    UNION ALL
    SELECT 'movement_without_call', t.workspace_id, t.id, t.amount::text, NULL
    FROM tenancy.transfers AS t
    WHERE (wanted IS NULL OR t.workspace_id = wanted) AND t.kind = 'usage'
        AND NOT EXISTS (
            SELECT FROM tenancy.offering_usage AS u WHERE u.workspace_id = t.workspace_id AND u.request_id = t.reference
        )
    UNION ALL
    SELECT 'call_differs', u.workspace_id, u.id, t.amount::text, u.amount::text
    FROM tenancy.offering_usage AS u
    INNER JOIN tenancy.transfers AS t ON u.id = t.id AND u.workspace_id = t.workspace_id
    WHERE (wanted IS NULL OR u.workspace_id = wanted)
        AND (
            t.amount <> u.amount OR t.payee_id <> u.provider_id OR t.kind <> 'usage' OR t.reference <> u.request_id
            OR t.fingerprint <> tenancy_private.usage_fingerprint(u.offering_id, u.input_tokens, u.output_tokens)
            OR u.amount <> CASE
                WHEN u.provider_id = u.workspace_id THEN 0
                ELSE round((u.input_tokens + u.output_tokens)::numeric * u.eur_per_1k / 1000, 6)
            END
        )
    UNION ALL
    SELECT 'reversal_differs', u.workspace_id, u.id, (r.id IS NOT NULL)::text, (u.reversed_at IS NOT NULL)::text
    FROM tenancy.offering_usage AS u
    LEFT JOIN tenancy.transfers AS r ON r.reverses = u.id AND r.workspace_id = u.provider_id
    WHERE (wanted IS NULL OR u.workspace_id = wanted) AND (r.id IS NOT NULL) <> (u.reversed_at IS NOT NULL)
    UNION ALL
    SELECT
        'cost_differs', u.workspace_id, u.id, CASE WHEN u.reversed_at IS NULL THEN u.amount ELSE 0 END::text,
        c.charged_amount_eur::text
    FROM tenancy.offering_usage AS u
    LEFT JOIN finops.inference_usage AS c ON u.id = c.id
    WHERE (wanted IS NULL OR u.workspace_id = wanted)
        AND c.charged_amount_eur::numeric IS DISTINCT FROM CASE WHEN u.reversed_at IS NULL THEN u.amount ELSE 0 END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.reconcile_usage(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.reconcile_usage(uuid) TO tenancy_service, tenancy_auditor;
COMMENT ON FUNCTION tenancy.reconcile_usage(uuid) IS
'Compares calls with the ledger and with FinOps, for one payer or all: one row for each difference. '
'tenancy.reconcile() does so for wallets and ledger.';

\ir ../../notes/done.psql
COMMIT;
