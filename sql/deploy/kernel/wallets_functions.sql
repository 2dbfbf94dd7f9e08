-- Deploy pg-tenancy:kernel/wallets_functions to pg
-- requires: kernel/wallets_movements
-- requires: kernel/permission_checks

\set change kernel/wallets_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- == What a workspace sees of its own money ==

CREATE FUNCTION tenancy.wallet(
    OUT workspace_id uuid, OUT currency text, OUT balance numeric, OUT held numeric,
    OUT granted numeric,
    OUT unpaid numeric, OUT overdraft numeric, OUT available numeric, OUT version bigint,
    OUT chain bytea
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_workspace CONSTANT uuid := tenancy.current_workspace_id();
BEGIN
    PERFORM tenancy.require_permission('finops.view');
    SELECT
        current_workspace,
        coalesce(w.currency, 'EUR'),
        coalesce(w.balance, 0) + coalesce(c.amount, 0) - coalesce(g.expired, 0),
        coalesce(h.amount, 0),
        coalesce(w.granted, 0) - coalesce(g.expired, 0),
        coalesce(w.unpaid, 0),
        coalesce(w.overdraft, 0),
        coalesce(w.version, 0),
        coalesce(w.chain, '')
    INTO workspace_id, currency, balance, held, granted, unpaid, overdraft, version, chain
    FROM (VALUES (current_workspace)) AS o (id)
    LEFT JOIN tenancy.wallets AS w ON o.id = w.workspace_id
    LEFT JOIN LATERAL (
        SELECT sum(h.amount) AS amount FROM tenancy.wallet_holds AS h
        WHERE h.workspace_id = o.id AND NOT h.is_freed AND h.expires_at > clock_timestamp()
    ) AS h ON true
    -- Grants that a hold relies on stay, as in lock_wallet().
    LEFT JOIN LATERAL (
        SELECT least(coalesce(sum(g.remaining), 0), greatest(coalesce(w.balance, 0) + coalesce((
            SELECT sum(p.amount) FROM tenancy_private.pending_credits AS p WHERE p.workspace_id = o.id
        ), 0) - coalesce(h.amount, 0), 0)) AS expired
        FROM tenancy.credit_grants AS g
        WHERE g.workspace_id = o.id AND g.remaining > 0 AND g.expires_at <= clock_timestamp()
    ) AS g ON true
    LEFT JOIN LATERAL (
        SELECT sum(p.amount) AS amount FROM tenancy_private.pending_credits AS p WHERE p.workspace_id = o.id
    ) AS c ON true;
    available := CASE WHEN unpaid > 0 THEN 0 ELSE greatest(balance - held + overdraft, 0) END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.wallet() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.wallet() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.wallet() IS
'The wallet of the current workspace: zeros if money has never moved. Requires finops.view. Raises 42501 '
'permission_denied.';

CREATE FUNCTION tenancy.statement(
    since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity'
) RETURNS TABLE (
    version bigint, transfer_id uuid, kind text, reference text, amount numeric,
    balance_after numeric,
    occurred_at timestamptz, created_at timestamptz, digest bytea, chain bytea
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_workspace CONSTANT uuid := tenancy.current_workspace_id();
BEGIN
    PERFORM tenancy.require_permission('finops.view');
    RETURN QUERY
    SELECT
        e.version, e.transfer_id, e.kind, t.reference, e.amount, e.balance_after, e.occurred_at, e.created_at, e.digest,
        e.chain
    FROM tenancy.ledger_entries AS e
    LEFT JOIN tenancy.transfers AS t ON e.transfer_id = t.id AND t.workspace_id = e.workspace_id
    WHERE e.workspace_id = current_workspace
        AND e.account = 'wallet'
        AND e.created_at >= since
        AND e.created_at < until
    ORDER BY e.version;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.statement(timestamptz, timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.statement(
    timestamptz, timestamptz
) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.statement(timestamptz, timestamptz) IS
'The entries of the current workspace from since until before until, in order. References are shown to the payer. '
'Requires finops.view. Raises 42501 permission_denied.';

-- The entries to verify: of one workspace or all, and those after the last checkpoint before a
-- time, or all. The planner inlines this query and joins its tables with others, which it would
-- not do with a WITH.
CREATE FUNCTION tenancy_private.entries_to_prove(wanted uuid, since timestamptz)
RETURNS SETOF tenancy.ledger_entries
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        e.workspace_id, e.version, e.account, e.transfer_id, e.kind, e.amount, e.balance_after,
        e.occurred_at, e.created_at, e.digest, e.chain
    FROM tenancy.ledger_entries AS e
    LEFT JOIN ( -- noqa: ST05
        SELECT c.workspace_id, max(c.version) AS version FROM tenancy.ledger_checkpoints AS c
        WHERE c.created_at <= since
        GROUP BY c.workspace_id
    ) AS s ON e.workspace_id = s.workspace_id
    WHERE (wanted IS NULL OR e.workspace_id = wanted) AND e.version > coalesce(s.version, 0);
END;
REVOKE ALL ON FUNCTION tenancy_private.entries_to_prove(uuid, timestamptz) FROM public;

-- The errors in the ledger, one row each; none if it is consistent. The statements are planned
-- for their arguments: one wallet is read by its indexes, all of them in parallel.
CREATE FUNCTION tenancy_private.ledger_problems(wanted uuid, since timestamptz)
RETURNS TABLE (problem text, workspace_id uuid, transfer_id uuid, expected text, found text)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET work_mem = '128MB'
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    -- Each entry, with the one before it and its movement.
    RETURN QUERY
    SELECT p.problem, c.workspace_id, c.transfer_id, p.expected, p.found
    FROM (
        SELECT
            e.workspace_id, e.transfer_id, e.version, e.balance_after, e.chain, e.digest,
            coalesce(b.balance_after, 0) + e.amount AS balance,
            e.version = coalesce(b.version, 0) + 1 AS has_previous,
            e.balance_after = coalesce(b.balance_after, 0) + e.amount AS has_balance,
            e.chain = tenancy.entry_hash(
                coalesce(b.chain, ''), e.workspace_id, e.version, e.transfer_id, e.amount, e.balance_after, e.created_at,
                e.digest
            ) AS has_chain,
            e.digest = t.digest AND e.kind = t.kind AND e.occurred_at = t.occurred_at
            AND e.workspace_id IN (t.workspace_id, t.payee_id) AS has_movement
        FROM tenancy_private.entries_to_prove(wanted, since) AS e
        LEFT JOIN tenancy.ledger_entries AS b
            ON e.workspace_id = b.workspace_id AND e.version = b.version + 1 AND b.account = 'wallet'
        LEFT JOIN (
            SELECT
                t.id, t.workspace_id, t.payee_id, t.kind, t.occurred_at,
                tenancy.transfer_digest(
                    t.workspace_id, t.payee_id, t.amount, t.kind, t.reference, t.fingerprint, t.occurred_at, t.reverses
                ) AS digest
            FROM tenancy.transfers AS t
        ) AS t ON e.transfer_id = t.id
        WHERE e.account = 'wallet'
    ) AS c
    CROSS JOIN LATERAL (
        VALUES
        ('entries are missing from the chain', c.has_previous, (c.version - 1)::text, c.version::text),
        ('a balance does not follow from the one before', c.has_balance, c.balance::text, c.balance_after::text),
        ('an entry was changed', c.has_chain, NULL, encode(c.chain, 'hex')),
        ('a movement was changed', c.has_movement, NULL, encode(c.digest, 'hex'))
    ) AS p (problem, is_right, expected, found)
    WHERE (c.has_previous AND c.has_balance AND c.has_chain AND c.has_movement) IS NOT TRUE
        AND p.is_right IS NOT TRUE;

    -- The two halves of each movement; one may be another wallet's, or pending.
    RETURN QUERY
    WITH named AS (
        SELECT e.transfer_id FROM tenancy_private.entries_to_prove(wanted, since) AS e
        WHERE wanted IS NOT NULL OR since IS NOT NULL
        UNION
        SELECT c.transfer_id FROM tenancy_private.pending_credits AS c
        WHERE c.workspace_id = wanted OR (wanted IS NULL AND since IS NOT NULL)
    ),

    halves AS (
        SELECT e.transfer_id, e.amount FROM tenancy.ledger_entries AS e WHERE wanted IS NULL AND since IS NULL
        UNION ALL
        SELECT c.transfer_id, c.amount FROM tenancy_private.pending_credits AS c WHERE wanted IS NULL AND since IS NULL
        UNION ALL
        SELECT e.transfer_id, e.amount FROM tenancy.ledger_entries AS e INNER JOIN named AS n ON e.transfer_id = n.transfer_id
        UNION ALL
        SELECT c.transfer_id, c.amount
        FROM tenancy_private.pending_credits AS c INNER JOIN named AS n ON c.transfer_id = n.transfer_id
    ),

    sums AS MATERIALIZED (
        SELECT h.transfer_id, sum(h.amount) AS total, count(*) AS halves, max(abs(h.amount)) AS amount
        FROM halves AS h
        GROUP BY h.transfer_id
    )

    SELECT 'the halves of a movement do not add up to nothing', NULL::uuid, s.transfer_id, '0', s.total::text
    FROM sums AS s WHERE s.total <> 0 OR s.halves <> 2
    UNION ALL
    SELECT
        'a movement was not booked, or not whole', t.workspace_id, t.id, (t.amount - coalesce(u.amount, 0))::text,
        coalesce(s.amount, 0)::text
    FROM tenancy.transfers AS t
    LEFT JOIN tenancy.unpaid_amounts AS u ON t.workspace_id = u.workspace_id AND t.id = u.transfer_id
    LEFT JOIN sums AS s ON t.id = s.transfer_id
    WHERE (wanted IS NULL OR t.workspace_id = wanted)
        AND (since IS NULL OR t.created_at > since)
        AND t.amount - coalesce(u.amount, 0) <> coalesce(s.amount, 0)
        -- The workspace's own offering: the movement is recorded, and nothing moves.
        AND NOT (t.workspace_id = t.payee_id AND s.amount IS NULL AND t.kind NOT IN (
            'top_up', 'pay_out', 'grant', 'grant_expiry', 'opening', 'adopted'
        ));

    -- Each wallet, with its newest entry and what it holds, was granted and owes.
    RETURN QUERY
    SELECT p.problem, w.workspace_id, NULL::uuid, p.expected, p.found
    FROM tenancy.wallets AS w
    LEFT JOIN LATERAL (
        SELECT e.version, e.balance_after AS balance, e.chain FROM tenancy.ledger_entries AS e
        WHERE e.workspace_id = w.workspace_id AND e.account = 'wallet'
        ORDER BY e.version DESC
        LIMIT 1
    ) AS e ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(h.amount), 0) AS held FROM tenancy.wallet_holds AS h
        WHERE h.workspace_id = w.workspace_id AND NOT h.is_freed
    ) AS h
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(g.remaining), 0) AS granted FROM tenancy.credit_grants AS g
        WHERE g.workspace_id = w.workspace_id
    ) AS g
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(u.remaining), 0) AS unpaid FROM tenancy.unpaid_amounts AS u
        WHERE u.workspace_id = w.workspace_id
    ) AS u
    CROSS JOIN LATERAL (
        VALUES
        (
            'a wallet is not where its entries are',
            w.version = coalesce(e.version, 0)
            AND w.balance = coalesce(e.balance, 0)
            AND w.chain = coalesce(e.chain, ''),
            concat_ws(' ', coalesce(e.version, 0), coalesce(e.balance, 0)), concat_ws(' ', w.version, w.balance)
        ),
        ('a wallet holds something else than its holds', w.held = h.held, h.held::text, w.held::text),
        ('a wallet was granted something else than its grants', w.granted = g.granted, g.granted::text, w.granted::text),
        ('a wallet owes something else than what is unpaid', w.unpaid = u.unpaid, u.unpaid::text, w.unpaid::text)
    ) AS p (problem, is_right, expected, found)
    WHERE (wanted IS NULL OR w.workspace_id = wanted) AND NOT p.is_right;

    RETURN QUERY
    SELECT 'entries without a wallet', e.workspace_id, NULL::uuid, NULL, max(e.version)::text
    FROM tenancy.ledger_entries AS e
    WHERE (wanted IS NULL OR e.workspace_id = wanted)
        AND NOT EXISTS (SELECT FROM tenancy.wallets AS w WHERE w.workspace_id = e.workspace_id)
    GROUP BY e.workspace_id;

    -- All checkpoints, or the last one before the time.
    RETURN QUERY
    SELECT 'the ledger was written anew', c.workspace_id, e.transfer_id, encode(c.chain, 'hex'), encode(e.chain, 'hex')
    FROM tenancy.ledger_checkpoints AS c
    LEFT JOIN tenancy.ledger_entries AS e
        ON c.workspace_id = e.workspace_id AND c.version = e.version AND e.account = 'wallet'
    WHERE (wanted IS NULL OR c.workspace_id = wanted)
        AND (e.chain IS DISTINCT FROM c.chain OR e.balance_after IS DISTINCT FROM c.balance)
        AND (since IS NULL OR (
            c.created_at <= since AND NOT EXISTS (
                SELECT FROM tenancy.ledger_checkpoints AS x
                WHERE x.workspace_id = c.workspace_id AND x.version > c.version AND x.created_at <= since
            )
        ));
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.ledger_problems(uuid, timestamptz) FROM public;

CREATE FUNCTION tenancy.verify_statement(
    known_version bigint DEFAULT NULL, known_chain bytea DEFAULT NULL
) RETURNS TABLE (problem text, transfer_id uuid, expected text, found text)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_workspace CONSTANT uuid := tenancy.current_workspace_id();
BEGIN
    PERFORM tenancy.require_permission('finops.view');
    RETURN QUERY
    SELECT p.problem, p.transfer_id, p.expected, p.found
    FROM tenancy_private.ledger_problems(current_workspace, NULL) AS p;
    IF known_version > 0 AND NOT EXISTS (
        SELECT FROM tenancy.ledger_entries AS e
        WHERE e.workspace_id = current_workspace
            AND e.version = known_version
            AND e.account = 'wallet'
            AND e.chain = known_chain
    ) THEN
        RETURN QUERY
        SELECT
            'the ledger was written anew', NULL::uuid, encode(known_chain, 'hex'), (
                SELECT encode(e.chain, 'hex') FROM tenancy.ledger_entries AS e
                WHERE e.workspace_id = current_workspace AND e.version = known_version AND e.account = 'wallet'
            );
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.verify_statement(bigint, bytea) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.verify_statement(
    bigint, bytea
) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.verify_statement(bigint, bytea) IS
'Proves the statement of the current workspace: every finding is a row. With the version and chain of an earlier '
'wallet() it also checks that the ledger still contains them. Requires finops.view. Raises 42501 permission_denied.';

-- == What services do ==

CREATE FUNCTION tenancy_private.require_positive(amount numeric) RETURNS numeric
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF tenancy_private.checked_amount(amount) = 0 THEN
        RAISE EXCEPTION 'an amount of 0 moves nothing'
        USING ERRCODE = '22023',
        CONSTRAINT = 'amount_invalid',
        HINT = 'Give at least 0.000001.';
    END IF;
    RETURN tenancy_private.checked_amount(amount);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_positive(numeric) FROM public;

CREATE FUNCTION tenancy.top_up(workspace_id uuid, amount numeric, reference text) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    price CONSTANT numeric := tenancy_private.require_positive(amount);
    transfer_id uuid;
    locked uuid[];
BEGIN
    locked := tenancy_private.lock_with_creditors(workspace_id);
    transfer_id := tenancy_private.book_outside(
        workspace_id, price, 'top_up', reference, sha256(convert_to('top_up/' || price, 'UTF8')), clock_timestamp()
    );
    PERFORM tenancy_private.settle_unpaid(workspace_id, locked);
    RETURN transfer_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.top_up(uuid, numeric, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.top_up(uuid, numeric, text) TO tenancy_service;
COMMENT ON FUNCTION tenancy.top_up(uuid, numeric, text) IS
'Adds money to a wallet, once for each reference, settles its unpaid amounts, and returns the movement''s id. Raises '
'22023 amount_invalid, 23505 reference_reused, P0002 workspace_not_found.';

CREATE FUNCTION tenancy.pay_out(workspace_id uuid, amount numeric, reference text) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    price CONSTANT numeric := tenancy_private.require_positive(amount);
    wallet tenancy.wallets;
BEGIN
    wallet := tenancy_private.lock_wallet(workspace_id);
    -- A repeated call gets its answer, whatever the wallet holds now.
    IF NOT EXISTS (
        SELECT FROM tenancy.transfers AS t
        WHERE t.workspace_id = pay_out.workspace_id AND t.kind = 'pay_out' AND t.reference = pay_out.reference
    ) AND (wallet.unpaid > 0 OR wallet.balance - wallet.held - wallet.granted < price) THEN
        PERFORM tenancy_private.refuse_funds(wallet.unpaid > 0);
    END IF;
    RETURN tenancy_private.book_outside(
        workspace_id, -price, 'pay_out', reference, sha256(convert_to('pay_out/' || price, 'UTF8')), clock_timestamp()
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.pay_out(uuid, numeric, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.pay_out(uuid, numeric, text) TO tenancy_service;
COMMENT ON FUNCTION tenancy.pay_out(uuid, numeric, text) IS
'Withdraws money that is neither held, granted nor owed from a wallet, once for each reference. Raises P0001 '
'insufficient_funds, 22023 amount_invalid, 23505 reference_reused, P0002 workspace_not_found.';

CREATE FUNCTION tenancy.grant_credit(
    workspace_id uuid, amount numeric, reference text, expires_at timestamptz DEFAULT 'infinity',
    priority integer DEFAULT 100
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    price CONSTANT numeric := tenancy_private.require_positive(amount);
    given uuid;
    made_at timestamptz;
BEGIN
    PERFORM tenancy_private.lock_wallet(workspace_id);
    made_at := clock_timestamp();
    given := tenancy_private.book_outside(
        workspace_id, price, 'grant', reference,
        sha256(convert_to(concat_ws('/', 'grant', price, priority), 'UTF8') || timestamptz_send(expires_at)), made_at
    );
    IF EXISTS (
        SELECT FROM tenancy.credit_grants AS g
        WHERE g.workspace_id = grant_credit.workspace_id AND g.id = given
    ) THEN
        RETURN given;
    END IF;
    IF expires_at <= made_at THEN
        RAISE EXCEPTION 'a grant cannot expire before it is given'
        USING ERRCODE = '22023',
        CONSTRAINT = 'grant_expiry_invalid',
        HINT = 'Give a time in the future, or NULL for credit that does not expire.';
    END IF;
    INSERT INTO tenancy.credit_grants (workspace_id, id, amount, remaining, priority, created_at, expires_at)
    VALUES (workspace_id, given, price, price, priority, made_at, expires_at);
    UPDATE tenancy.wallets AS w
    SET granted = w.granted + price, next_expiry = least(w.next_expiry, grant_credit.expires_at)
    WHERE w.workspace_id = grant_credit.workspace_id;
    RETURN given;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.grant_credit(uuid, numeric, text, timestamptz, integer) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.grant_credit(
    uuid, numeric, text, timestamptz, integer
) TO tenancy_service;
COMMENT ON FUNCTION tenancy.grant_credit(uuid, numeric, text, timestamptz, integer) IS
'Grants credit, once for each reference: spent before other money (lowest priority first, then earliest expiry) and '
'never paid out. Raises 22023 amount_invalid, grant_expiry_invalid, 23505 reference_reused, P0002 '
'workspace_not_found.';

CREATE FUNCTION tenancy.charge(
    payer uuid, payee uuid, amount numeric, kind text, reference text,
    occurred_at timestamptz DEFAULT now(),
    hold uuid DEFAULT NULL, api_key_id uuid DEFAULT NULL, user_id uuid DEFAULT NULL,
    OUT transfer_id uuid, OUT replayed boolean, OUT charged numeric, OUT unpaid numeric
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    price CONSTANT numeric := tenancy_private.checked_amount(amount);
BEGIN
    IF kind IN ('top_up', 'pay_out', 'grant', 'grant_expiry', 'opening', 'adopted', 'settlement', 'reversal') THEN
        RAISE EXCEPTION 'movements of the kind % have a function of their own', kind
        USING ERRCODE = '22023',
        CONSTRAINT = 'kind_reserved',
        HINT = 'Name the goods sold: order, seat, fee.';
    END IF;
    SELECT m.transfer_id, m.replayed, m.charged, m.unpaid INTO transfer_id, replayed, charged, unpaid
    FROM tenancy_private.move_money(
        payer, payee, amount, kind, reference,
        sha256(convert_to(concat_ws('/', 'charge', payee, price), 'UTF8')), occurred_at, hold, api_key_id, user_id
    ) AS m;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.charge(
    uuid, uuid, numeric, text, text, timestamptz, uuid, uuid, uuid
) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.charge(
    uuid, uuid, numeric, text, text, timestamptz, uuid, uuid, uuid
) TO tenancy_service;
COMMENT ON FUNCTION tenancy.charge(
    uuid, uuid, numeric, text, text, timestamptz, uuid, uuid, uuid
) IS
'Moves money from one workspace to another, once for each payer, kind and reference; a repeated call returns the '
'same answer. With a hold the whole amount is booked: unpaid is the part that neither hold nor wallet covered. '
'Raises P0001 insufficient_funds, spending_limit_reached, 22023 amount_invalid, kind_reserved, currency_mismatch, '
'23505 reference_reused, P0002 hold_not_found, workspace_not_found.';

CREATE FUNCTION tenancy.refund(
    transfer uuid, reference text, OUT transfer_id uuid, OUT replayed boolean, OUT charged numeric,
    OUT unpaid numeric
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    SELECT m.transfer_id, m.replayed, m.charged, m.unpaid INTO transfer_id, replayed, charged, unpaid
    FROM tenancy_private.reverse_transfer(transfer, reference) AS m;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.refund(uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.refund(uuid, text) TO tenancy_service;
COMMENT ON FUNCTION tenancy.refund(uuid, text) IS
'Reverses a movement, once: charged is the amount returned at once, unpaid the amount that the payee owes. Raises '
'P0002 transfer_not_found, 23505 already_reversed, reference_reused.';

CREATE FUNCTION tenancy.hold_amount(
    payer uuid, amount numeric, expires_in interval, reference text, api_key_id uuid DEFAULT NULL,
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
    RETURN tenancy_private.hold_money(payer, amount, expires_in, reference, api_key_id, user_id);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.hold_amount(uuid, numeric, interval, text, uuid, uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.hold_amount(
    uuid, numeric, interval, text, uuid, uuid
) TO tenancy_service;
COMMENT ON FUNCTION tenancy.hold_amount(uuid, numeric, interval, text, uuid, uuid) IS
'Reserves an amount of a wallet before something is served, for at most a day, and returns the hold. Raises P0001 '
'insufficient_funds, spending_limit_reached, 22023 amount_invalid, hold_expiry_invalid, 23505 reference_reused, '
'P0002 workspace_not_found.';

CREATE FUNCTION tenancy.release_amount(hold uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.release_hold(hold);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.release_amount(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.release_amount(uuid) TO tenancy_service;
COMMENT ON FUNCTION tenancy.release_amount(uuid) IS
'Releases a hold; one that no longer exists is not an error.';

CREATE FUNCTION tenancy.settle(workspace_id uuid) RETURNS numeric
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    RETURN tenancy_private.settle_unpaid(workspace_id, tenancy_private.lock_with_creditors(workspace_id));
END;
$$;
REVOKE ALL ON FUNCTION tenancy.settle(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.settle(uuid) TO tenancy_service;
COMMENT ON FUNCTION tenancy.settle(uuid) IS
'Pays a workspace''s debts as far as its wallet allows, and returns the amount. Top-ups do so automatically.';

CREATE FUNCTION tenancy.fold_credits(workspace_id uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    waiting record;
    before bigint;
    folded bigint := 0;
BEGIN
    FOR waiting IN
        SELECT DISTINCT c.workspace_id AS id FROM tenancy_private.pending_credits AS c
        WHERE fold_credits.workspace_id IS NULL OR c.workspace_id = fold_credits.workspace_id
        ORDER BY 1
    LOOP
        SELECT w.version INTO before FROM tenancy.wallets AS w WHERE w.workspace_id = waiting.id FOR NO KEY UPDATE;
        folded := folded + tenancy_private.fold_pending(waiting.id);
    END LOOP;
    RETURN folded;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.fold_credits(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.fold_credits(uuid) TO tenancy_service;
COMMENT ON FUNCTION tenancy.fold_credits(uuid) IS
'Turns waiting payments to deferred wallets into entries, for one workspace or all, and returns their number. For a '
'job that runs every few seconds.';

CREATE FUNCTION tenancy.set_overdraft(workspace_id uuid, overdraft numeric) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    bound CONSTANT numeric := tenancy_private.checked_amount(overdraft);
    wallet tenancy.wallets;
BEGIN
    wallet := tenancy_private.lock_wallet(workspace_id);
    IF wallet.balance < -bound THEN
        RAISE EXCEPTION 'the wallet is below this limit'
        USING ERRCODE = '55000',
        CONSTRAINT = 'overdraft_in_use',
        HINT = 'Top it up first.';
    END IF;
    UPDATE tenancy.wallets AS w SET overdraft = bound WHERE w.workspace_id = set_overdraft.workspace_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.set_overdraft(uuid, numeric) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.set_overdraft(uuid, numeric) TO tenancy_service;
COMMENT ON FUNCTION tenancy.set_overdraft(uuid, numeric) IS
'How far a wallet may go below 0. Raises 22023 amount_invalid, 55000 overdraft_in_use, P0002 workspace_not_found.';

CREATE FUNCTION tenancy.set_currency(workspace_id uuid, currency text) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    wallet tenancy.wallets;
BEGIN
    IF currency IS NULL OR currency !~ '^[A-Z]{3}$' THEN
        RAISE EXCEPTION 'a currency must have three capital letters'
        USING ERRCODE = '22023',
        CONSTRAINT = 'currency_invalid',
        HINT = 'Give its ISO 4217 code, such as EUR.';
    END IF;
    wallet := tenancy_private.lock_wallet(workspace_id);
    IF wallet.currency <> set_currency.currency AND (wallet.version > 0 OR wallet.held > 0 OR EXISTS (
        SELECT FROM tenancy_private.pending_credits AS c WHERE c.workspace_id = set_currency.workspace_id
    )) THEN
        RAISE EXCEPTION 'the wallet has been used'
        USING ERRCODE = '55000',
        CONSTRAINT = 'wallet_in_use',
        HINT = 'Nothing is converted: choose the currency before money moves.';
    END IF;
    UPDATE tenancy.wallets AS w SET currency = set_currency.currency WHERE w.workspace_id = set_currency.workspace_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.set_currency(uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.set_currency(uuid, text) TO tenancy_service;
COMMENT ON FUNCTION tenancy.set_currency(uuid, text) IS
'Sets the currency of an unused wallet, as three capital letters. Raises 22023 currency_invalid, 55000 '
'wallet_in_use, P0002 workspace_not_found.';

CREATE FUNCTION tenancy.set_deferred_credit(workspace_id uuid, is_deferred boolean) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.lock_wallet(workspace_id);
    UPDATE tenancy.wallets AS w SET is_deferred = set_deferred_credit.is_deferred WHERE w.workspace_id = set_deferred_credit.workspace_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.set_deferred_credit(uuid, boolean) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.set_deferred_credit(uuid, boolean) TO tenancy_service;
COMMENT ON FUNCTION tenancy.set_deferred_credit(uuid, boolean) IS
'Sets whether payments to a wallet wait for fold_credits(), so that its many payers do not wait for each other. '
'Raises P0002 workspace_not_found.';

CREATE FUNCTION tenancy.set_spending_limit(
    workspace_id uuid, amount numeric, api_key_id uuid DEFAULT NULL, user_id uuid DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    bound CONSTANT numeric := CASE WHEN amount IS NOT NULL THEN tenancy_private.checked_amount(amount) END;
    this_month CONSTANT timestamp := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
BEGIN
    IF api_key_id IS NOT NULL AND user_id IS NOT NULL THEN
        RAISE EXCEPTION 'a limit is for either an API key or a person'
        USING ERRCODE = '22023',
        CONSTRAINT = 'limit_invalid',
        HINT = 'Set two limits: both apply.';
    END IF;
    PERFORM tenancy_private.lock_wallet(workspace_id);
    IF amount IS NULL THEN
        DELETE FROM tenancy.spending_limits AS l
        WHERE l.workspace_id = set_spending_limit.workspace_id
            AND l.api_key_id IS NOT DISTINCT FROM set_spending_limit.api_key_id
            AND l.user_id IS NOT DISTINCT FROM set_spending_limit.user_id;
    ELSE
        INSERT INTO tenancy.spending_limits AS l (workspace_id, api_key_id, user_id, amount, spent, spent_in)
        SELECT
            set_spending_limit.workspace_id, set_spending_limit.api_key_id, set_spending_limit.user_id, bound,
            coalesce((
                SELECT sum(t.amount) FROM tenancy.transfers AS t
                WHERE t.workspace_id = set_spending_limit.workspace_id
                    AND t.payee_id <> t.workspace_id
                    AND t.kind NOT IN ('settlement', 'reversal')
                    AND t.created_at >= this_month AT TIME ZONE 'UTC'
                    AND (set_spending_limit.api_key_id IS NULL OR t.api_key_id = set_spending_limit.api_key_id)
                    AND (set_spending_limit.user_id IS NULL OR t.user_id = set_spending_limit.user_id)
                    AND NOT EXISTS (
                        SELECT FROM tenancy.transfers AS r WHERE r.reverses = t.id AND r.workspace_id = t.payee_id
                    )
            ), 0) + coalesce((
                SELECT sum(h.amount) FROM tenancy.wallet_holds AS h
                WHERE h.workspace_id = set_spending_limit.workspace_id
                    AND NOT h.is_freed
                    AND h.created_at >= this_month AT TIME ZONE 'UTC'
                    AND (set_spending_limit.api_key_id IS NULL OR h.api_key_id = set_spending_limit.api_key_id)
                    AND (set_spending_limit.user_id IS NULL OR h.user_id = set_spending_limit.user_id)
            ), 0),
            this_month
        ON CONFLICT ON CONSTRAINT spending_limits_subject_key DO UPDATE SET amount = excluded.amount;
    END IF;
    UPDATE tenancy.wallets AS w
    SET is_limited = EXISTS (SELECT FROM tenancy.spending_limits AS l WHERE l.workspace_id = w.workspace_id)
    WHERE w.workspace_id = set_spending_limit.workspace_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.set_spending_limit(uuid, numeric, uuid, uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.set_spending_limit(uuid, numeric, uuid, uuid) TO tenancy_service;
COMMENT ON FUNCTION tenancy.set_spending_limit(uuid, numeric, uuid, uuid) IS
'Limits spending in a calendar month (UTC) with an API key, by a person, or by the whole workspace if neither is '
'named; NULL removes the limit. Amounts spent earlier this month count. Raises 22023 amount_invalid, limit_invalid, '
'P0002 workspace_not_found.';

CREATE FUNCTION tenancy.set_plan(workspace_id uuid, plan text) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF plan IS NULL OR plan NOT IN ('free', 'subscriber') THEN
        RAISE EXCEPTION 'unknown plan: %', coalesce(plan, 'NULL')
        USING ERRCODE = '22023',
        CONSTRAINT = 'plan_invalid',
        HINT = 'The plan must be free or subscriber.';
    END IF;
    UPDATE tenancy.workspaces AS w SET plan = set_plan.plan
    WHERE w.id = set_plan.workspace_id AND w.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM tenancy_private.refuse_workspace_id();
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.set_plan(uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.set_plan(uuid, text) TO tenancy_service;
COMMENT ON FUNCTION tenancy.set_plan(uuid, text) IS
'Changes a workspace''s plan, free or subscriber. Raises 22023 plan_invalid, P0002 workspace_not_found.';

CREATE FUNCTION tenancy.reconcile(
    workspace_id uuid DEFAULT NULL, since timestamptz DEFAULT NULL
) RETURNS TABLE (problem text, wallet_id uuid, transfer_id uuid, expected text, found text)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT p.problem, p.workspace_id, p.transfer_id, p.expected, p.found
    FROM tenancy_private.ledger_problems(reconcile.workspace_id, reconcile.since) AS p;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.reconcile(uuid, timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.reconcile(uuid, timestamptz) TO tenancy_service, tenancy_auditor;
COMMENT ON FUNCTION tenancy.reconcile(uuid, timestamptz) IS
'Proves that wallets, entries, movements, holds, grants and unpaid amounts agree, for one workspace or all, for '
'everything or since the last checkpoint before a time. Every finding is a row.';

CREATE FUNCTION tenancy.take_checkpoint() RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    made_at CONSTANT timestamptz := clock_timestamp();
    noted bigint;
BEGIN
    IF EXISTS (
        SELECT FROM tenancy_private.ledger_problems(NULL, (SELECT max(c.created_at) FROM tenancy.ledger_checkpoints AS c))
    ) THEN
        RAISE EXCEPTION 'the ledger is inconsistent'
        USING ERRCODE = '55000',
        CONSTRAINT = 'ledger_broken',
        HINT = 'SELECT * FROM tenancy.reconcile() lists the differences.';
    END IF;
    INSERT INTO tenancy.ledger_checkpoints (workspace_id, version, balance, chain, created_at)
    SELECT w.workspace_id, w.version, w.balance, w.chain, made_at
    FROM tenancy.wallets AS w
    WHERE w.version > 0
    ON CONFLICT ON CONSTRAINT ledger_checkpoints_pkey DO NOTHING;
    GET DIAGNOSTICS noted = ROW_COUNT;
    RETURN noted;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.take_checkpoint() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.take_checkpoint() TO tenancy_service;
COMMENT ON FUNCTION tenancy.take_checkpoint() IS
'Records the state of each wallet if reconcile() finds nothing wrong since the last time, and returns how many '
'changed. Raises 55000 ledger_broken.';

\ir ../../notes/done.psql
COMMIT;
