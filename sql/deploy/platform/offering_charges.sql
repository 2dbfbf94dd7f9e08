-- Deploy pg-tenancy:platform/offering_charges to pg
-- requires: platform/offerings_functions
-- requires: kernel/wallets_functions

\set change platform/offering_charges
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

CREATE TYPE tenancy.usage_request AS (
    request_id text, offering uuid, input_tokens bigint, output_tokens bigint,
    occurred_at timestamptz, hold uuid
);
COMMENT ON TYPE tenancy.usage_request IS
'One call for record_usages(). occurred_at NULL means now, hold NULL means none.';

CREATE FUNCTION tenancy_private.refuse_reused_request() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the request id belongs to another call'
    USING ERRCODE = '23505',
    CONSTRAINT = 'reference_reused',
    HINT = 'A request id identifies one call for ever: repeat the same call, or use another id.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_reused_request() FROM public;

CREATE FUNCTION tenancy_private.refuse_hold() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'this workspace has no such hold for this offering'
    USING ERRCODE = 'P0002',
    CONSTRAINT = 'hold_not_found',
    HINT = 'tenancy.authorize_usage() creates one for a call, which is recorded once.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_hold() FROM public;

CREATE FUNCTION tenancy_private.check_usage(
    request_id text, input_tokens bigint, output_tokens bigint, occurred_at timestamptz
) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem CONSTANT text[] := CASE
        WHEN request_id IS NULL OR length(request_id) NOT BETWEEN 1 AND 200
            THEN ARRAY['a request id must have 1 to 200 characters', 'request_id_invalid', 'Give each call an id of its own.']
        WHEN coalesce(input_tokens, -1) < 0 OR coalesce(output_tokens, -1) < 0
            OR input_tokens > 1000000000000 OR output_tokens > 1000000000000
            THEN ARRAY[
                'tokens are 0 or more, and 1000000000000 at most', 'tokens_invalid', 'tenancy.reverse_usage() takes a call back.'
            ]
        WHEN occurred_at < clock_timestamp() - interval '35 days' OR occurred_at > clock_timestamp() + interval '5 minutes'
            THEN ARRAY[
                'a call is recorded within 35 days, and not before it happened', 'occurred_at_invalid',
                'Look at the clock of the machine that served it.'
            ]
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem[1]
        USING ERRCODE = '22023',
        CONSTRAINT = problem[2],
        HINT = problem[3];
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_usage(text, bigint, bigint, timestamptz) FROM public;

-- Of the request, not its cost: the price may have changed when it is repeated.
CREATE FUNCTION tenancy_private.usage_fingerprint(
    offering uuid, input_tokens bigint, output_tokens bigint
) RETURNS bytea
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN sha256(uuid_send(offering) || int8send(input_tokens) || int8send(output_tokens));
REVOKE ALL ON FUNCTION tenancy_private.usage_fingerprint(uuid, bigint, bigint) FROM public;

-- The same calls for FinOps, which adds up all costs. Triggers of an adopted table run with the
-- writer's rights. A statement in a string is planned for each call, so it is only used if the
-- application computes one of these columns.
CREATE FUNCTION tenancy_private.write_costs(costs jsonb) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    is_computed CONSTANT boolean := EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = 'finops.inference_usage'::regclass AND a.attgenerated <> '' AND costs -> 0 ? a.attname::text
    );
BEGIN
    IF current_user <> 'tenancy_writer' THEN
        RAISE EXCEPTION 'write_costs() runs as %, wanted tenancy_writer', current_user USING ERRCODE = '42501';
    END IF;
    IF is_computed THEN
        EXECUTE (
            SELECT format(
                'INSERT INTO finops.inference_usage (%1$s) SELECT %1$s '
                'FROM jsonb_populate_recordset(NULL::finops.inference_usage, $1)',
                string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
            )
            FROM pg_attribute AS a
            WHERE a.attrelid = 'finops.inference_usage'::regclass AND a.attgenerated = '' AND costs -> 0 ? a.attname::text
        ) USING costs;
    ELSE
        INSERT INTO finops.inference_usage (
            id, occurred_at, user_id, api_key_id, model_id, input_tokens, output_tokens, total_tokens,
            unit_price_eur_per_1k_tokens, charged_amount_eur, provider_organization_id, consumer_organization_id,
            organization_model_id
        )
        SELECT
            c.id, c.occurred_at, c.user_id, c.api_key_id, c.model_id, c.input_tokens, c.output_tokens, c.total_tokens,
            c.unit_price_eur_per_1k_tokens, c.charged_amount_eur, c.provider_organization_id, c.consumer_organization_id,
            c.organization_model_id
        FROM jsonb_populate_recordset(NULL::finops.inference_usage, costs) AS c;
    END IF;
END;
$$;

CREATE FUNCTION tenancy_private.cost_of(usage tenancy.offering_usage) RETURNS jsonb
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT jsonb_build_object(
    'id', usage.id, 'occurred_at', usage.occurred_at, 'user_id', usage.user_id, 'api_key_id', usage.api_key_id,
    'model_id', (SELECT o.model_id FROM public.organization_models AS o WHERE o.id = usage.offering_id),
    'input_tokens', usage.input_tokens, 'output_tokens', usage.output_tokens,
    'total_tokens', usage.input_tokens + usage.output_tokens, 'unit_price_eur_per_1k_tokens', usage.eur_per_1k,
    'charged_amount_eur', usage.amount,
    'provider_organization_id', (SELECT g.id FROM public.organizations AS g WHERE g.id = usage.provider_id),
    'consumer_organization_id', (SELECT g.id FROM public.organizations AS g WHERE g.id = usage.workspace_id),
    'organization_model_id', (SELECT o.id FROM public.organization_models AS o WHERE o.id = usage.offering_id)
);
$$;
REVOKE ALL ON FUNCTION tenancy_private.cost_of(tenancy.offering_usage) FROM public;

-- A trial begins with the first call, once for each workspace.
CREATE FUNCTION tenancy_private.start_trial(
    consumer uuid, offering uuid, provider uuid
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    begins_at CONSTANT timestamptz := clock_timestamp();
    started uuid;
BEGIN
    INSERT INTO tenancy.entitlements AS e (
        organization_id, offering_id, consumer_id, kind, starts_at, ends_at, quota_tokens, eur_per_1k
    )
    SELECT
        o.organization_id, o.id, consumer, 'trial', begins_at,
        coalesce(begins_at + make_interval(days => o.trial_days), 'infinity'), o.trial_tokens, 0
    FROM public.organization_models AS o
    WHERE o.id = offering AND o.organization_id = provider
    ON CONFLICT (consumer_id, offering_id, kind, organization_id) WHERE revoked_at IS NULL DO NOTHING
    RETURNING e.id INTO started;
    RETURN coalesce(started, (
        SELECT e.id FROM tenancy.entitlements AS e
        WHERE e.consumer_id = consumer AND e.offering_id = offering AND e.kind = 'trial' AND e.revoked_at IS NULL
    ));
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.start_trial(uuid, uuid, uuid) FROM public;

-- Checks the remaining quota, with the entitlement locked: calls by one agreement wait for each
-- other, as they do at the consumer's wallet. Calls that are authorized and not recorded yet
-- count with all their tokens, or each of those served at once could use the whole quota.
CREATE FUNCTION tenancy_private.require_quota(entitlement uuid, tokens bigint) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
    reserved numeric := 0;
BEGIN
    SELECT e.quota_tokens, e.used_tokens, e.revoked_at, e.kind, e.consumer_id INTO found
    FROM tenancy.entitlements AS e
    WHERE e.id = entitlement
    FOR NO KEY UPDATE;
    IF found.kind IS NULL OR found.revoked_at IS NOT NULL THEN
        PERFORM tenancy_private.refuse_offering_use('entitlement_ended');
    END IF;
    IF found.quota_tokens IS NOT NULL THEN
        SELECT coalesce(sum(a.max_tokens), 0) INTO reserved
        FROM tenancy.usage_authorizations AS a
        WHERE a.workspace_id = found.consumer_id AND a.entitlement_id = entitlement AND a.expires_at > clock_timestamp();
    END IF;
    IF found.used_tokens + reserved + tokens > found.quota_tokens THEN
        PERFORM tenancy_private.refuse_offering_use(
            CASE found.kind WHEN 'trial' THEN 'trial_ended' ELSE 'quota_exhausted' END
        );
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_quota(uuid, bigint) FROM public;

-- Whether the workspace may use an offering now; refuses with the reason otherwise.
CREATE FUNCTION tenancy_private.require_offering(
    consumer uuid, offering uuid, priced_at timestamptz
) RETURNS record
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    -- An old snapshot shows rights that have ended since, earlier prices, and quotas that others
    -- have used up: a call authorized by it would outlive its transaction.
    IF tenancy_private.reads_the_past() THEN
        RAISE EXCEPTION 'access to an offering cannot be checked in a transaction that is %',
            upper(current_setting('transaction_isolation'))
        USING ERRCODE = '25000',
        CONSTRAINT = 'read_committed_required',
        HINT = 'Use READ COMMITTED. A call that was authorized can be recorded in any transaction.';
    END IF;
    found := tenancy_private.offering_access(consumer, offering, priced_at);
    IF NOT found.is_known THEN
        PERFORM tenancy_private.refuse_offering();
    END IF;
    IF NOT found.is_allowed THEN
        PERFORM tenancy_private.refuse_offering_use(found.reason, offering);
    END IF;
    IF found.access = 'trial' AND found.entitlement_id IS NULL THEN
        found.entitlement_id := tenancy_private.start_trial(consumer, offering, found.provider_id);
    END IF;
    RETURN found;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_offering(uuid, uuid, timestamptz) FROM public;

CREATE FUNCTION tenancy_private.authorize_usage(
    consumer uuid, offering uuid, max_tokens bigint, expires_in interval, api_key_id uuid,
    user_id uuid
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_id CONSTANT uuid := gen_random_uuid();
    begins_at CONSTANT timestamptz := clock_timestamp();
    found record;
    worst_price numeric;
    amount numeric;
    money_hold uuid;
BEGIN
    IF NOT coalesce(max_tokens BETWEEN 1 AND 2000000000000, false) THEN
        RAISE EXCEPTION 'max_tokens must be 1 to 2000000000000'
        USING ERRCODE = '22023',
        CONSTRAINT = 'tokens_invalid',
        HINT = 'Give the maximum of the call: the tokens of its input and of its longest answer.';
    END IF;
    expires_in := tenancy_private.checked_hold_length(expires_in);
    found := tenancy_private.require_offering(consumer, offering, begins_at);
    IF found.entitlement_id IS NOT NULL THEN
        PERFORM tenancy_private.require_quota(found.entitlement_id, max_tokens);
    END IF;
    -- A known price that begins before the hold ends counts too.
    worst_price := found.eur_per_1k;
    IF found.agreed_eur_per_1k IS NULL THEN
        worst_price := greatest(worst_price, (
            SELECT max(p.eur_per_1k) FROM tenancy.offering_prices AS p
            WHERE p.organization_id = found.provider_id AND p.offering_id = offering
                AND p.valid_from > begins_at AND p.valid_from <= begins_at + expires_in
        ));
    END IF;
    amount := CASE WHEN found.provider_id = consumer THEN 0 ELSE round(max_tokens::numeric * worst_price / 1000, 6) END;
    IF amount > 0 THEN
        money_hold := tenancy_private.hold_money(consumer, amount, expires_in, new_id::text, api_key_id, user_id);
    END IF;
    -- Deletes authorizations of calls that can no longer be recorded.
    DELETE FROM tenancy.usage_authorizations AS a
    WHERE a.workspace_id = consumer AND a.expires_at < begins_at - interval '35 days';
    INSERT INTO tenancy.usage_authorizations (
        workspace_id, id, provider_id, offering_id, hold_id, access, entitlement_id, agreed_eur_per_1k, eur_per_1k,
        max_eur_per_1k, max_tokens, created_at, expires_at
    )
    VALUES (
        consumer, new_id, found.provider_id, offering, money_hold, found.access, found.entitlement_id,
        found.agreed_eur_per_1k, found.eur_per_1k, CASE WHEN found.agreed_eur_per_1k IS NULL THEN worst_price END, max_tokens,
        begins_at, begins_at + expires_in
    );
    RETURN new_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.authorize_usage(uuid, uuid, bigint, interval, uuid, uuid)
FROM public;

-- Only this function charges a call.
CREATE FUNCTION tenancy_private.record_usage(
    consumer uuid, request_id text, offering uuid, input_tokens bigint, output_tokens bigint,
    occurred_at timestamptz,
    hold uuid, api_key_id uuid, user_id uuid,
    OUT usage_id uuid, OUT eur_per_1k numeric, OUT amount numeric, OUT charged numeric,
    OUT unpaid numeric, OUT replayed boolean
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    happened_at CONSTANT timestamptz := coalesce(occurred_at, clock_timestamp());
    fingerprint CONSTANT bytea := tenancy_private.usage_fingerprint(offering, input_tokens, output_tokens);
    usage tenancy.offering_usage;
    authorization_found tenancy.usage_authorizations;
    found record;
    moved record;
BEGIN
    replayed := true;
    -- A second attempt if another transaction is recording the same call.
    FOR attempt IN 1..2 LOOP
        SELECT u.* INTO usage FROM tenancy.offering_usage AS u
        WHERE u.workspace_id = consumer AND u.request_id = record_usage.request_id;
        IF usage.id IS NOT NULL THEN
            IF (usage.offering_id, usage.input_tokens, usage.output_tokens)
                IS DISTINCT FROM (offering, record_usage.input_tokens, record_usage.output_tokens)
            THEN
                PERFORM tenancy_private.refuse_reused_request();
            END IF;
            usage_id := usage.id;
            eur_per_1k := usage.eur_per_1k;
            amount := usage.amount;
            unpaid := usage.unpaid;
            charged := usage.amount - usage.unpaid;
            RETURN;
        END IF;
        EXIT WHEN attempt = 2 OR hold IS NULL;
        DELETE FROM tenancy.usage_authorizations AS a
        WHERE a.workspace_id = consumer AND a.id = hold
        RETURNING a.* INTO authorization_found;
        EXIT WHEN authorization_found.id IS NOT NULL;
    END LOOP;
    replayed := false;
    IF hold IS NOT NULL AND authorization_found.offering_id IS DISTINCT FROM offering THEN
        PERFORM tenancy_private.refuse_hold();
    END IF;
    PERFORM tenancy_private.check_usage(request_id, input_tokens, output_tokens, happened_at);

    -- An authorized call was served, and is charged at the agreed price.
    IF authorization_found.expires_at >= happened_at THEN
        usage.provider_id := authorization_found.provider_id;
        usage.access := authorization_found.access;
        usage.entitlement_id := authorization_found.entitlement_id;
        usage.eur_per_1k := coalesce(
            authorization_found.agreed_eur_per_1k,
            least(
                coalesce(
                    tenancy_private.offering_price(usage.provider_id, offering, happened_at), authorization_found.eur_per_1k
                ),
                authorization_found.max_eur_per_1k
            )
        );
        IF usage.entitlement_id IS NOT NULL THEN
            PERFORM FROM tenancy.entitlements AS e WHERE e.id = usage.entitlement_id FOR NO KEY UPDATE;
        END IF;
    ELSE
        found := tenancy_private.require_offering(consumer, offering, happened_at);
        usage.provider_id := found.provider_id;
        usage.access := found.access;
        usage.entitlement_id := found.entitlement_id;
        usage.eur_per_1k := found.eur_per_1k;
        IF usage.entitlement_id IS NOT NULL THEN
            PERFORM tenancy_private.require_quota(usage.entitlement_id, input_tokens + output_tokens);
        END IF;
    END IF;
    -- Rounded once; the provider's own calls cost nothing.
    usage.amount := CASE
        WHEN usage.provider_id = consumer THEN 0
        ELSE round((input_tokens + output_tokens)::numeric * usage.eur_per_1k / 1000, 6)
    END;

    moved := tenancy_private.move_money(
        consumer, usage.provider_id, usage.amount, 'usage', request_id, fingerprint, happened_at,
        authorization_found.hold_id, api_key_id, user_id
    );
    IF moved.replayed THEN
        SELECT u.* INTO usage FROM tenancy.offering_usage AS u
        WHERE u.workspace_id = consumer AND u.request_id = record_usage.request_id;
        IF usage.id IS NULL THEN
            PERFORM tenancy_private.refuse_reused_request();
        END IF;
    ELSE
        usage.workspace_id := consumer;
        usage.request_id := request_id;
        usage.id := moved.transfer_id;
        usage.offering_id := offering;
        usage.user_id := user_id;
        usage.api_key_id := api_key_id;
        usage.input_tokens := input_tokens;
        usage.output_tokens := output_tokens;
        usage.unpaid := moved.unpaid;
        usage.occurred_at := happened_at;
        usage.created_at := clock_timestamp();
        INSERT INTO tenancy.offering_usage SELECT usage.*;
        IF usage.entitlement_id IS NOT NULL THEN
            UPDATE tenancy.entitlements AS e SET used_tokens = e.used_tokens + (usage.input_tokens + usage.output_tokens)
            WHERE e.id = usage.entitlement_id;
        END IF;
        PERFORM tenancy_private.write_costs(jsonb_build_array(tenancy_private.cost_of(usage)));
    END IF;
    usage_id := usage.id;
    eur_per_1k := usage.eur_per_1k;
    amount := usage.amount;
    unpaid := usage.unpaid;
    charged := usage.amount - usage.unpaid;
    replayed := moved.replayed;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.record_usage(
    uuid, text, uuid, bigint, bigint, timestamptz, uuid, uuid, uuid
) FROM public;

-- A batch: calls paid from the balance alone become one movement for each provider, the others
-- one each. All of them, or none.
CREATE FUNCTION tenancy_private.record_usages(
    consumer uuid, requests tenancy.usage_request[], api_key_id uuid, user_id uuid
) RETURNS TABLE (
    request_id text, usage_id uuid, eur_per_1k numeric, amount numeric, charged numeric,
    unpaid numeric, replayed boolean
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    started_at CONSTANT timestamptz := clock_timestamp();
    new_ids text[] := '{}';
    call record;
    part record;
    answer record;
BEGIN
    IF coalesce(cardinality(requests), 0) > 10000 THEN
        RAISE EXCEPTION 'a batch must have at most 10000 calls'
        USING ERRCODE = '22023',
        CONSTRAINT = 'batch_invalid',
        HINT = 'Send the rest in another batch.';
    END IF;
    FOR call IN SELECT r.* FROM unnest(requests) AS r LOOP
        IF EXISTS (
            SELECT FROM tenancy.offering_usage AS u WHERE u.workspace_id = consumer AND u.request_id = call.request_id
        ) THEN
            -- Returns the earlier answer, or refuses a different call with the same id.
            PERFORM tenancy_private.record_usage(
                consumer, call.request_id, call.offering, call.input_tokens, call.output_tokens, call.occurred_at, NULL,
                record_usages.api_key_id, record_usages.user_id
            );
        ELSE
            PERFORM tenancy_private.check_usage(
                call.request_id, call.input_tokens, call.output_tokens, coalesce(call.occurred_at, started_at)
            );
            new_ids := new_ids || call.request_id;
        END IF;
    END LOOP;
    IF EXISTS (
        SELECT FROM unnest(requests) AS r
        GROUP BY r.request_id
        HAVING count(DISTINCT (r.offering, r.input_tokens, r.output_tokens)) > 1
    ) THEN
        PERFORM tenancy_private.refuse_reused_request();
    END IF;

    -- Several providers mean several movements: everything that they lock is locked first, in
    -- the common order.
    IF (
        SELECT count(DISTINCT o.organization_id)
        FROM unnest(requests) AS r
        INNER JOIN public.organization_models AS o ON r.offering = o.id
    ) > 1 THEN
        PERFORM FROM tenancy.entitlements AS e
        WHERE e.consumer_id = consumer AND e.offering_id IN (SELECT r.offering FROM unnest(requests) AS r)
        ORDER BY e.id
        FOR NO KEY UPDATE;
        PERFORM tenancy_private.lock_wallet(w.id)
        FROM (
            SELECT consumer AS id
            UNION
            SELECT o.organization_id
            FROM unnest(requests) AS r
            INNER JOIN public.organization_models AS o ON r.offering = o.id
            ORDER BY 1
        ) AS w;
    END IF;
    FOR part IN
        SELECT
            o.organization_id AS provider_id, o.id AS offering_id,
            array_agg(r.request_id ORDER BY r.request_id COLLATE "C") AS ids,
            array_agg(r.input_tokens ORDER BY r.request_id COLLATE "C") AS inputs,
            array_agg(r.output_tokens ORDER BY r.request_id COLLATE "C") AS outputs,
            array_agg(coalesce(r.occurred_at, started_at) ORDER BY r.request_id COLLATE "C") AS times
        FROM (
            SELECT DISTINCT ON (r.request_id) r.*
            FROM unnest(requests) WITH ORDINALITY AS r (
                request_id, offering, input_tokens, output_tokens, occurred_at, hold, place
            )
            WHERE r.hold IS NULL AND r.request_id = ANY(new_ids)
            ORDER BY r.request_id, r.place
        ) AS r
        LEFT JOIN public.organization_models AS o ON r.offering = o.id
        GROUP BY o.organization_id, o.id
        ORDER BY o.organization_id, o.id
    LOOP
        answer := tenancy_private.require_offering(consumer, part.offering_id, started_at);
        IF answer.entitlement_id IS NOT NULL THEN
            FOR place IN 1..cardinality(part.ids) LOOP
                PERFORM tenancy_private.record_usage(
                    consumer, part.ids[place], part.offering_id, part.inputs[place], part.outputs[place], part.times[place],
                    NULL, record_usages.api_key_id, record_usages.user_id
                );
            END LOOP;
            CONTINUE;
        END IF;
        WITH priced AS MATERIALIZED (
            SELECT
                c.*, a.eur_per_1k, a.access,
                CASE
                    WHEN part.provider_id = consumer THEN 0
                    ELSE round((c.input_tokens + c.output_tokens)::numeric * a.eur_per_1k / 1000, 6)
                END AS amount
            FROM unnest(part.ids, part.inputs, part.outputs, part.times)
            AS c (request_id, input_tokens, output_tokens, happened_at)
            CROSS JOIN LATERAL tenancy_private.require_offering(consumer, part.offering_id, c.happened_at)
            AS a (
                is_known boolean, is_allowed boolean, reason text, access text, eur_per_1k numeric, agreed_eur_per_1k numeric,
                entitlement_id uuid, provider_id uuid, model_id uuid
            )
        ),

        listed AS MATERIALIZED (
            SELECT
                array_agg(p.request_id ORDER BY p.request_id COLLATE "C") AS ids,
                array_agg(
                    tenancy_private.usage_fingerprint(part.offering_id, p.input_tokens, p.output_tokens)
                    ORDER BY p.request_id COLLATE "C"
                ) AS fingerprints,
                array_agg(p.amount ORDER BY p.request_id COLLATE "C") AS amounts,
                array_agg(p.happened_at ORDER BY p.request_id COLLATE "C") AS times
            FROM priced AS p
        ),

        moved AS MATERIALIZED (
            SELECT m.reference, m.transfer_id, m.replayed
            FROM listed AS l
            CROSS JOIN LATERAL tenancy_private.move_money_batch(
                consumer, part.provider_id, 'usage', l.ids, l.fingerprints, l.amounts, l.times, record_usages.api_key_id,
                record_usages.user_id
            ) AS m
        ),

        kept AS (
            INSERT INTO tenancy.offering_usage AS u (
                workspace_id, request_id, id, provider_id, offering_id, access, user_id, api_key_id, input_tokens,
                output_tokens, eur_per_1k, amount, unpaid, occurred_at
            )
            SELECT
                consumer, p.request_id, m.transfer_id, part.provider_id, part.offering_id, p.access, record_usages.user_id,
                record_usages.api_key_id, p.input_tokens, p.output_tokens, p.eur_per_1k, p.amount, 0, p.happened_at
            FROM priced AS p
            INNER JOIN moved AS m ON p.request_id = m.reference
            WHERE NOT m.replayed
            RETURNING u AS usage
        )

        SELECT jsonb_agg(tenancy_private.cost_of(k.usage)) AS costs INTO answer FROM kept AS k;
        IF answer.costs IS NOT NULL THEN
            PERFORM tenancy_private.write_costs(answer.costs);
        END IF;
    END LOOP;
    FOR call IN
        SELECT r.* FROM unnest(requests) AS r
        WHERE r.hold IS NOT NULL AND r.request_id = ANY(new_ids)
        ORDER BY r.request_id COLLATE "C"
    LOOP
        PERFORM tenancy_private.record_usage(
            consumer, call.request_id, call.offering, call.input_tokens, call.output_tokens, call.occurred_at, call.hold,
            record_usages.api_key_id, record_usages.user_id
        );
    END LOOP;

    RETURN QUERY
    SELECT
        u.request_id, u.id, u.eur_per_1k, u.amount, u.amount - u.unpaid, u.unpaid,
        NOT (
            r.request_id = ANY(new_ids) AND u.created_at >= started_at
            AND row_number() OVER (PARTITION BY r.request_id ORDER BY r.place) = 1
        )
    FROM unnest(requests) WITH ORDINALITY AS r (request_id, offering, input_tokens, output_tokens, occurred_at, hold, place)
    INNER JOIN tenancy.offering_usage AS u ON u.workspace_id = consumer AND r.request_id = u.request_id
    ORDER BY r.place;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.record_usages(uuid, tenancy.usage_request[], uuid, uuid)
FROM public;

RESET ROLE;

CALL tenancy_private.give_to_writer('tenancy_private.write_costs(jsonb)');

\ir ../../notes/done.psql
COMMIT;
