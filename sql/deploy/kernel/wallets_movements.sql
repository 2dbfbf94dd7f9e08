-- Deploy pg-tenancy:kernel/wallets_movements to pg
-- requires: kernel/wallets

\set change kernel/wallets_movements
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Everything that moves money is here, and locks in one order, so that no two movements
-- deadlock: the transfer, then wallets by their workspace's id, then a wallet's holds, grants,
-- unpaid amounts and limits. These are never locked without their wallet. The row of an adopted
-- column is locked before the wallet.

-- NaN is greater than Infinity. The amount is rounded before any use: rounding it in two places
-- could yield two amounts.
CREATE FUNCTION tenancy_private.checked_amount(amount numeric) RETURNS numeric
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF amount >= 0 AND amount < 100000000000000 THEN
        RETURN round(amount, 6);
    END IF;
    RAISE EXCEPTION 'an amount must be at least 0 and less than 100000000000000'
    USING ERRCODE = '22023',
    CONSTRAINT = 'amount_invalid',
    HINT = 'Six decimals are kept. To move money the other way, exchange payer and payee.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.checked_amount(numeric) FROM public;

-- In seconds, because an interval of many months compares as shorter than the time that it adds.
CREATE FUNCTION tenancy_private.checked_hold_length(expires_in interval) RETURNS interval
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    seconds CONSTANT double precision := extract(EPOCH FROM expires_in);
BEGIN
    IF seconds > 0 AND seconds <= 86400 THEN
        RETURN make_interval(secs => seconds);
    END IF;
    RAISE EXCEPTION 'a hold must last more than 0 and at most a day'
    USING ERRCODE = '22023',
    CONSTRAINT = 'hold_expiry_invalid',
    HINT = 'Give expires_in from 1 second to 1 day.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.checked_hold_length(interval) FROM public;

-- The two hashes of the ledger. They use only bytes, which no setting changes; those of a
-- numeric begin with their number. The first function is STABLE because convert_to() is:
-- otherwise the planner would not inline it.
CREATE FUNCTION tenancy.transfer_digest(
    payer uuid, payee uuid, amount numeric, kind text, reference text, fingerprint bytea,
    occurred_at timestamptz,
    reverses uuid
) RETURNS bytea
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN sha256(
    uuid_send(payer) || uuid_send(payee) || numeric_send(round(amount,
    6)) || timestamptz_send(occurred_at) || fingerprint
    || coalesce(uuid_send(reverses), '\x00') || convert_to(kind || '/' || reference, 'UTF8')
);
REVOKE ALL ON FUNCTION tenancy.transfer_digest(
    uuid, uuid, numeric, text, text, bytea, timestamptz, uuid
) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.transfer_digest(
    uuid, uuid, numeric, text, text, bytea, timestamptz, uuid
)
TO tenancy_credentialed, tenancy_service, tenancy_auditor;
COMMENT ON FUNCTION tenancy.transfer_digest(
    uuid, uuid, numeric, text, text, bytea, timestamptz, uuid
) IS
'SHA-256 of a movement as tenancy.transfers has it; it is the digest of both of its entries.';

CREATE FUNCTION tenancy.entry_hash(
    previous bytea, workspace_id uuid, version bigint, transfer_id uuid, amount numeric,
    balance_after numeric, created_at timestamptz, digest bytea
) RETURNS bytea
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN sha256(
    previous || uuid_send(workspace_id) || int8send(version)
    || uuid_send(transfer_id) || numeric_send(round(amount, 6))
    || numeric_send(round(balance_after, 6)) || timestamptz_send(created_at) || digest
);
REVOKE ALL ON FUNCTION tenancy.entry_hash(
    bytea, uuid, bigint, uuid, numeric, numeric, timestamptz, bytea
) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.entry_hash(
    bytea, uuid, bigint, uuid, numeric, numeric, timestamptz, bytea
)
TO tenancy_credentialed, tenancy_service, tenancy_auditor;
COMMENT ON FUNCTION tenancy.entry_hash(
    bytea, uuid, bigint, uuid, numeric, numeric, timestamptz, bytea
) IS
'SHA-256 of an entry of a wallet and the hash of the previous entry, if there is one.';

-- If columns of balances are adopted, another change replaces this with a function that locks
-- the column's row.
CREATE FUNCTION tenancy_private.lock_adopted_balance(workspace_id uuid) RETURNS void
LANGUAGE sql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
RETURN NULL;
REVOKE ALL ON FUNCTION tenancy_private.lock_adopted_balance(uuid) FROM public;

CREATE FUNCTION tenancy_private.refuse_workspace_id() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'no such workspace'
    USING ERRCODE = 'P0002',
    CONSTRAINT = 'workspace_not_found',
    HINT = 'Give the id of a user, of an organization that was not deleted, or the nil UUID for the platform.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_workspace_id() FROM public;

CREATE FUNCTION tenancy_private.refuse_funds(is_unpaid boolean) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'insufficient funds'
    USING ERRCODE = 'P0001',
    CONSTRAINT = 'insufficient_funds',
    HINT = CASE
        WHEN is_unpaid THEN 'Something is unpaid: the next top-up settles it.'
        ELSE 'Top the wallet up; open holds count as spent.'
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_funds(boolean) FROM public;

-- Creates the transfer, or finds the earlier one with the same reference. Waits for concurrent
-- transactions with the same reference.
CREATE FUNCTION tenancy_private.begin_transfer(
    payer uuid, payee uuid, amount numeric, kind text, reference text, fingerprint bytea,
    occurred_at timestamptz,
    made_at timestamptz, api_key_id uuid, user_id uuid, reverses uuid, OUT transfer_id uuid,
    OUT replayed boolean,
    OUT old_amount numeric
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old record;
BEGIN
    replayed := false;
    INSERT INTO tenancy.transfers AS t (
        workspace_id, kind, reference, payee_id, amount, fingerprint, occurred_at, created_at, api_key_id, user_id, reverses
    )
    VALUES (payer, kind, reference, payee, amount, fingerprint, occurred_at, made_at, api_key_id, user_id, reverses)
    ON CONFLICT ON CONSTRAINT transfers_pkey DO NOTHING
    RETURNING t.id INTO transfer_id;
    IF transfer_id IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT t.id, t.amount, t.fingerprint, t.payee_id INTO old
    FROM tenancy.transfers AS t
    WHERE t.workspace_id = payer AND t.kind = begin_transfer.kind AND t.reference = begin_transfer.reference;
    IF old.fingerprint IS DISTINCT FROM begin_transfer.fingerprint OR old.payee_id <> payee THEN
        RAISE EXCEPTION 'the reference belongs to another movement'
        USING ERRCODE = '23505',
        CONSTRAINT = 'reference_reused',
        HINT = 'A reference identifies one movement for ever: repeat the same request, or use another reference.';
    END IF;
    transfer_id := old.id;
    old_amount := old.amount;
    replayed := true;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.begin_transfer(
    uuid, uuid, numeric, text, text, bytea, timestamptz, timestamptz, uuid, uuid, uuid
) FROM public;

CREATE FUNCTION tenancy_private.make_wallet(workspace_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM tenancy.workspaces AS w WHERE w.id = make_wallet.workspace_id AND w.deleted_at IS NULL
    ) THEN
        PERFORM tenancy_private.refuse_workspace_id();
    END IF;
    INSERT INTO tenancy.wallets (workspace_id) VALUES (make_wallet.workspace_id)
    ON CONFLICT ON CONSTRAINT wallets_pkey DO NOTHING;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.make_wallet(uuid) FROM public;

-- Adds an entry to a wallet, and locks it if the caller has not: number, balance and hash
-- follow from the row's own values. Returns false if there is no wallet.
CREATE FUNCTION tenancy_private.add_entry(
    workspace_id uuid, change numeric, transfer_id uuid, kind text, occurred_at timestamptz,
    made_at timestamptz,
    digest bytea, is_outside boolean DEFAULT false
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_entry record;
BEGIN
    UPDATE tenancy.wallets AS w
    SET
        balance = w.balance + change,
        version = w.version + 1,
        chain = tenancy.entry_hash(
            w.chain, w.workspace_id, w.version + 1, transfer_id, change, w.balance + change, made_at, digest
        )
    WHERE w.workspace_id = add_entry.workspace_id
    RETURNING w.version, w.balance, w.chain INTO new_entry;
    IF new_entry.version IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO tenancy.ledger_entries (
        workspace_id, version, transfer_id, kind, amount, balance_after, occurred_at, created_at, digest, chain
    )
    VALUES (
        workspace_id, new_entry.version, transfer_id, kind, change, new_entry.balance, occurred_at, made_at, digest,
        new_entry.chain
    );
    IF is_outside THEN
        INSERT INTO tenancy.ledger_entries (
            workspace_id, version, account, transfer_id, kind, amount, occurred_at, created_at
        )
        VALUES (workspace_id, new_entry.version, 'outside', transfer_id, kind, -change, occurred_at, made_at);
    END IF;
    RETURN true;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.add_entry(
    uuid, numeric, uuid, text, timestamptz, timestamptz, bytea, boolean
)
FROM public;

-- Money that enters or leaves: one wallet, and the account outside. The caller has
-- locked the wallet.
CREATE FUNCTION tenancy_private.book_outside(
    workspace_id uuid, change numeric, kind text, reference text, fingerprint bytea,
    made_at timestamptz
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    begun record;
BEGIN
    begun := tenancy_private.begin_transfer(
        workspace_id, workspace_id, abs(change), kind, reference, fingerprint, made_at, made_at, NULL, NULL, NULL
    );
    IF NOT begun.replayed AND change <> 0 THEN
        PERFORM tenancy_private.add_entry(
            workspace_id, change, begun.transfer_id, kind, made_at, made_at,
            tenancy.transfer_digest(
                workspace_id, workspace_id, abs(change), kind, reference, fingerprint, made_at, NULL
            ),
            true
        );
    END IF;
    RETURN begun.transfer_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.book_outside(
    uuid, numeric, text, text, bytea, timestamptz
) FROM public;

-- Turns pending payments into entries of a deferred wallet, which the caller has locked.
CREATE FUNCTION tenancy_private.fold_pending(workspace_id uuid) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wallet record;
    pending record;
    folded bigint := 0;
    transfers uuid[] := '{}';
    kinds text[] := '{}';
    amounts numeric[] := '{}';
    balances numeric[] := '{}';
    occurred timestamptz[] := '{}';
    made timestamptz[] := '{}';
    digests bytea[] := '{}';
    chains bytea[] := '{}';
    first_version bigint;
BEGIN
    SELECT w.balance, w.version, w.chain INTO wallet
    FROM tenancy.wallets AS w WHERE w.workspace_id = fold_pending.workspace_id;
    first_version := wallet.version;
    FOR pending IN
        WITH taken AS (
            DELETE FROM tenancy_private.pending_credits AS c
            WHERE c.workspace_id = fold_pending.workspace_id
            RETURNING c.transfer_id, c.kind, c.amount, c.occurred_at, c.created_at, c.digest
        )

        SELECT t.* FROM taken AS t ORDER BY t.created_at, t.transfer_id
    LOOP
        folded := folded + 1;
        wallet.version := wallet.version + 1;
        wallet.balance := wallet.balance + pending.amount;
        wallet.chain := tenancy.entry_hash(
            wallet.chain, workspace_id, wallet.version, pending.transfer_id, pending.amount, wallet.balance,
            pending.created_at, pending.digest
        );
        transfers[folded] := pending.transfer_id;
        kinds[folded] := pending.kind;
        amounts[folded] := pending.amount;
        balances[folded] := wallet.balance;
        occurred[folded] := pending.occurred_at;
        made[folded] := pending.created_at;
        digests[folded] := pending.digest;
        chains[folded] := wallet.chain;
    END LOOP;
    IF folded > 0 THEN
        INSERT INTO tenancy.ledger_entries (
            workspace_id, version, transfer_id, kind, amount, balance_after, occurred_at, created_at, digest, chain
        )
        SELECT
            fold_pending.workspace_id, first_version + e.place, e.transfer_id, e.kind, e.amount, e.balance_after,
            e.occurred_at, e.created_at, e.digest, e.chain
        FROM unnest(transfers, kinds, amounts, balances, occurred, made, digests, chains)
        WITH ORDINALITY AS e (
            transfer_id, kind, amount, balance_after, occurred_at, created_at, digest, chain, place
        );
        UPDATE tenancy.wallets AS w
        SET balance = wallet.balance, version = wallet.version, chain = wallet.chain
        WHERE w.workspace_id = fold_pending.workspace_id;
    END IF;
    RETURN folded;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.fold_pending(uuid) FROM public;

-- Spending and holds of this month count against their limits; a reversal counts in
-- the month of the original. The caller has locked the wallet. A movement that began last month
-- and waited for the lock counts in the month that has begun meanwhile.
CREATE FUNCTION tenancy_private.count_spending(
    workspace_id uuid, api_key_id uuid, user_id uuid, amount numeric, counted_at timestamptz,
    is_refused boolean
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    counted_in CONSTANT date := date_trunc('month', counted_at AT TIME ZONE 'UTC');
    broken boolean;
BEGIN
    WITH counted AS (
        UPDATE tenancy.spending_limits AS l
        SET
            spent = greatest(CASE WHEN l.spent_in < counted_in THEN 0 ELSE l.spent END + count_spending.amount, 0),
            spent_in = greatest(l.spent_in, counted_in)
        WHERE l.workspace_id = count_spending.workspace_id
            AND (l.api_key_id IS NULL OR l.api_key_id = count_spending.api_key_id)
            AND (l.user_id IS NULL OR l.user_id = count_spending.user_id)
            AND (l.spent_in = counted_in OR count_spending.amount > 0)
        RETURNING l.spent > l.amount AS is_broken
    )

    SELECT bool_or(c.is_broken) INTO broken FROM counted AS c;
    IF broken AND is_refused THEN
        PERFORM tenancy_private.refuse_spending();
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.count_spending(
    uuid, uuid, uuid, numeric, timestamptz, boolean
) FROM public;

CREATE FUNCTION tenancy_private.refuse_spending() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the spending limit of this month is reached'
    USING ERRCODE = 'P0001',
    CONSTRAINT = 'spending_limit_reached',
    HINT = 'It is the limit of the API key, the person or the workspace, and starts again with the month (UTC).';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_spending() FROM public;

-- Checks without counting, so that a call can be refused before it costs anything.
-- hold_money() and move_money() check again, with the wallet locked.
CREATE FUNCTION tenancy_private.check_spending_limits(
    workspace_id uuid, api_key_id uuid, user_id uuid, amount numeric
) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_month CONSTANT date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
    asked CONSTANT numeric := tenancy_private.checked_amount(amount);
BEGIN
    IF EXISTS (
        SELECT FROM tenancy.spending_limits AS l
        WHERE l.workspace_id = check_spending_limits.workspace_id
            AND (l.api_key_id IS NULL OR l.api_key_id = check_spending_limits.api_key_id)
            AND (l.user_id IS NULL OR l.user_id = check_spending_limits.user_id)
            AND CASE WHEN l.spent_in = this_month THEN l.spent ELSE 0 END + asked > l.amount
    ) THEN
        PERFORM tenancy_private.refuse_spending();
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_spending_limits(uuid, uuid, uuid, numeric) FROM public;

-- Locks a wallet and processes expired holds and grants, and pending payments. A grant that a
-- hold relies on stays until the hold has ended.
CREATE FUNCTION tenancy_private.lock_wallet(workspace_id uuid) RETURNS tenancy.wallets
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wallet tenancy.wallets;
    due record;
    taken numeric;
    touched_at timestamptz;
BEGIN
    PERFORM tenancy_private.lock_adopted_balance(workspace_id);
    SELECT w.* INTO wallet FROM tenancy.wallets AS w
    WHERE w.workspace_id = lock_wallet.workspace_id
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM tenancy_private.make_wallet(workspace_id);
        SELECT w.* INTO wallet FROM tenancy.wallets AS w
        WHERE w.workspace_id = lock_wallet.workspace_id
        FOR NO KEY UPDATE;
    END IF;
    touched_at := clock_timestamp();
    IF wallet.next_expiry > touched_at AND NOT EXISTS (
        SELECT FROM tenancy_private.pending_credits AS c WHERE c.workspace_id = lock_wallet.workspace_id
    ) THEN
        RETURN wallet;
    END IF;

    PERFORM tenancy_private.fold_pending(workspace_id);
    FOR due IN
        UPDATE tenancy.wallet_holds AS h
        SET is_freed = true
        WHERE h.workspace_id = lock_wallet.workspace_id AND h.expires_at <= touched_at AND NOT h.is_freed
        RETURNING h.amount, h.api_key_id, h.user_id, h.created_at
    LOOP
        UPDATE tenancy.wallets AS w SET held = w.held - due.amount WHERE w.workspace_id = lock_wallet.workspace_id;
        PERFORM tenancy_private.count_spending(
            workspace_id, due.api_key_id, due.user_id, -due.amount, due.created_at, false
        );
    END LOOP;
    FOR due IN
        SELECT g.id, g.remaining FROM tenancy.credit_grants AS g
        WHERE g.workspace_id = lock_wallet.workspace_id AND g.expires_at <= touched_at AND g.remaining > 0
        ORDER BY g.expires_at, g.id
    LOOP
        SELECT least(due.remaining, greatest(w.balance - w.held, 0)) INTO taken
        FROM tenancy.wallets AS w WHERE w.workspace_id = lock_wallet.workspace_id;
        CONTINUE WHEN taken = 0;
        UPDATE tenancy.credit_grants AS g SET remaining = g.remaining - taken
        WHERE g.workspace_id = lock_wallet.workspace_id AND g.id = due.id;
        UPDATE tenancy.wallets AS w SET granted = w.granted - taken WHERE w.workspace_id = lock_wallet.workspace_id;
        PERFORM tenancy_private.book_outside(
            workspace_id, -taken, 'grant_expiry', due.id || '/' || touched_at, sha256(uuid_send(due.id)), touched_at
        );
    END LOOP;
    UPDATE tenancy.wallets AS w
    SET next_expiry = least(
        coalesce((
            SELECT min(h.expires_at) FROM tenancy.wallet_holds AS h
            WHERE h.workspace_id = lock_wallet.workspace_id AND NOT h.is_freed
        ), 'infinity'),
        coalesce((
            SELECT min(g.expires_at) FROM tenancy.credit_grants AS g
            WHERE g.workspace_id = lock_wallet.workspace_id AND g.remaining > 0
        ), 'infinity')
    )
    WHERE w.workspace_id = lock_wallet.workspace_id
    RETURNING w.* INTO wallet;
    RETURN wallet;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.lock_wallet(uuid) FROM public;

-- Takes the cost of a movement from grants, in their order. The caller has locked the wallet.
CREATE FUNCTION tenancy_private.spend_grants(
    workspace_id uuid, transfer_id uuid, amount numeric
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    open_grant record;
    taken numeric;
    missing numeric := amount;
BEGIN
    FOR open_grant IN
        SELECT g.id, g.remaining FROM tenancy.credit_grants AS g
        WHERE g.workspace_id = spend_grants.workspace_id AND g.remaining > 0
        ORDER BY g.priority, g.expires_at, g.created_at, g.id
    LOOP
        EXIT WHEN missing = 0;
        taken := least(missing, open_grant.remaining);
        missing := missing - taken;
        UPDATE tenancy.credit_grants AS g SET remaining = g.remaining - taken
        WHERE g.workspace_id = spend_grants.workspace_id AND g.id = open_grant.id;
        INSERT INTO tenancy.credit_grant_uses (workspace_id, transfer_id, grant_id, amount)
        VALUES (spend_grants.workspace_id, spend_grants.transfer_id, open_grant.id, taken);
    END LOOP;
    UPDATE tenancy.wallets AS w SET granted = w.granted - (spend_grants.amount - missing)
    WHERE w.workspace_id = spend_grants.workspace_id AND missing <> spend_grants.amount;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.spend_grants(uuid, uuid, numeric) FROM public;

-- The payer's half. In most cases one UPDATE, whose WHERE checks that the wallet holds
-- enough; otherwise the wallet is locked and read. Without books_whole an uncovered
-- amount is refused, with it the rest is unpaid.
CREATE FUNCTION tenancy_private.debit_wallet(
    workspace_id uuid, amount numeric, transfer_id uuid, kind text, occurred_at timestamptz,
    made_at timestamptz,
    digest bytea, hold uuid, books_whole boolean, payee uuid, api_key_id uuid, user_id uuid,
    OUT charged numeric, OUT currency text
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wallet tenancy.wallets;
    used record;
    available numeric;
BEGIN
    PERFORM tenancy_private.lock_adopted_balance(workspace_id);
    IF hold IS NULL THEN
        UPDATE tenancy.wallets AS w
        SET
            balance = w.balance - debit_wallet.amount,
            version = w.version + 1,
            chain = tenancy.entry_hash(
                w.chain, w.workspace_id, w.version + 1, transfer_id, -debit_wallet.amount,
                w.balance - debit_wallet.amount, made_at, digest
            )
        WHERE w.workspace_id = debit_wallet.workspace_id
            AND w.balance - w.held + w.overdraft >= debit_wallet.amount
            AND w.unpaid = 0
            AND w.next_expiry > made_at
        RETURNING w.* INTO wallet;
    END IF;
    IF wallet.workspace_id IS NOT NULL THEN
        charged := amount;
        INSERT INTO tenancy.ledger_entries (
            workspace_id, version, transfer_id, kind, amount, balance_after, occurred_at, created_at, digest, chain
        )
        VALUES (
            workspace_id, wallet.version, transfer_id, kind, -amount, wallet.balance, occurred_at, made_at, digest,
            wallet.chain
        );
    ELSE
        wallet := tenancy_private.lock_wallet(workspace_id);
        IF hold IS NOT NULL THEN
            DELETE FROM tenancy.wallet_holds AS h
            WHERE h.workspace_id = debit_wallet.workspace_id AND h.id = debit_wallet.hold
            RETURNING
                CASE WHEN h.is_freed THEN 0 ELSE h.amount END AS amount, h.api_key_id, h.user_id, h.created_at
            INTO used;
            IF used.amount IS NULL THEN
                RAISE EXCEPTION 'the wallet has no such hold'
                USING ERRCODE = 'P0002',
                CONSTRAINT = 'hold_not_found',
                HINT = 'A hold can be used or released once.';
            END IF;
            IF used.amount > 0 THEN
                UPDATE tenancy.wallets AS w SET held = w.held - used.amount
                WHERE w.workspace_id = debit_wallet.workspace_id
                RETURNING w.* INTO wallet;
                IF wallet.is_limited THEN
                    PERFORM tenancy_private.count_spending(
                        workspace_id, used.api_key_id, used.user_id, -used.amount, used.created_at, false
                    );
                END IF;
            END IF;
        END IF;
        available := greatest(wallet.balance - wallet.held + wallet.overdraft, 0);
        IF NOT books_whole AND (wallet.unpaid > 0 OR available < amount) THEN
            PERFORM tenancy_private.refuse_funds(wallet.unpaid > 0);
        END IF;
        charged := least(amount, available);
        IF charged > 0 THEN
            PERFORM tenancy_private.add_entry(
                workspace_id, -charged, transfer_id, kind, occurred_at, made_at, digest
            );
        END IF;
        IF charged < amount THEN
            INSERT INTO tenancy.unpaid_amounts (workspace_id, transfer_id, payee_id, amount, remaining, created_at)
            VALUES (workspace_id, transfer_id, payee, amount - charged, amount - charged, made_at);
            UPDATE tenancy.wallets AS w SET unpaid = w.unpaid + (debit_wallet.amount - charged)
            WHERE w.workspace_id = debit_wallet.workspace_id;
        END IF;
    END IF;
    IF wallet.granted > 0 AND charged > 0 THEN
        PERFORM tenancy_private.spend_grants(workspace_id, transfer_id, charged);
    END IF;
    IF wallet.is_limited THEN
        PERFORM tenancy_private.count_spending(workspace_id, api_key_id, user_id, amount, made_at, NOT books_whole);
    END IF;
    currency := wallet.currency;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.debit_wallet(
    uuid, numeric, uuid, text, timestamptz, timestamptz, bytea, uuid, boolean, uuid, uuid, uuid
) FROM public;

-- The payee's half.
CREATE FUNCTION tenancy_private.credit_wallet(
    workspace_id uuid, amount numeric, transfer_id uuid, kind text, occurred_at timestamptz,
    made_at timestamptz,
    digest bytea, OUT currency text
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wallet record;
    found_wallet record;
BEGIN
    PERFORM tenancy_private.lock_adopted_balance(workspace_id);
    -- Tries again if the wallet was created, or ceased to be deferred, in between.
    LOOP
        UPDATE tenancy.wallets AS w
        SET
            balance = w.balance + credit_wallet.amount,
            version = w.version + 1,
            chain = tenancy.entry_hash(
                w.chain, w.workspace_id, w.version + 1, transfer_id, credit_wallet.amount,
                w.balance + credit_wallet.amount, made_at, digest
            )
        WHERE w.workspace_id = credit_wallet.workspace_id AND NOT w.is_deferred
        RETURNING w.version, w.balance, w.chain, w.currency INTO wallet;
        IF wallet.version IS NOT NULL THEN
            INSERT INTO tenancy.ledger_entries (
                workspace_id, version, transfer_id, kind, amount, balance_after, occurred_at, created_at, digest, chain
            )
            VALUES (
                workspace_id, wallet.version, transfer_id, kind, amount, wallet.balance, occurred_at, made_at, digest,
                wallet.chain
            );
            currency := wallet.currency;
            RETURN;
        END IF;
        SELECT w.currency, w.is_deferred INTO found_wallet FROM tenancy.wallets AS w
        WHERE w.workspace_id = credit_wallet.workspace_id;
        IF NOT FOUND THEN
            PERFORM tenancy_private.make_wallet(workspace_id);
        ELSIF found_wallet.is_deferred THEN
            currency := found_wallet.currency;
            INSERT INTO tenancy_private.pending_credits (
                workspace_id, transfer_id, kind, amount, occurred_at, created_at, digest
            )
            VALUES (workspace_id, transfer_id, kind, amount, occurred_at, made_at, digest);
            RETURN;
        END IF;
    END LOOP;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.credit_wallet(
    uuid, numeric, uuid, text, timestamptz, timestamptz, bytea
)
FROM public;

CREATE FUNCTION tenancy_private.require_one_currency(of_payer text, of_payee text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF of_payer <> of_payee THEN
        RAISE EXCEPTION 'the wallets have different currencies'
        USING ERRCODE = '22023',
        CONSTRAINT = 'currency_mismatch',
        HINT = 'Nothing is converted. tenancy.set_currency() changes that of an unused wallet.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_one_currency(text, text) FROM public;

-- Moves money between two wallets, in the order of their ids.
CREATE FUNCTION tenancy_private.move_between(
    payer uuid, payee uuid, amount numeric, transfer_id uuid, kind text, occurred_at timestamptz,
    made_at timestamptz,
    digest bytea, hold uuid, books_whole boolean, api_key_id uuid, user_id uuid
) RETURNS numeric
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    debit record;
    payee_currency text;
BEGIN
    -- The payer's funds must be known before the payee receives them. Nobody waits for
    -- a deferred wallet.
    IF payee < payer AND books_whole THEN
        IF NOT EXISTS (SELECT FROM tenancy.wallets AS w WHERE w.workspace_id = payee AND w.is_deferred) THEN
            PERFORM tenancy_private.lock_wallet(payee);
        END IF;
    ELSIF payee < payer THEN
        payee_currency := tenancy_private.credit_wallet(
            payee, amount, transfer_id, kind, occurred_at, made_at, digest
        );
    END IF;
    debit := tenancy_private.debit_wallet(
        payer, amount, transfer_id, kind, occurred_at, made_at, digest, hold, books_whole, payee, api_key_id, user_id
    );
    IF payee_currency IS NULL AND debit.charged > 0 THEN
        payee_currency := tenancy_private.credit_wallet(
            payee, debit.charged, transfer_id, kind, occurred_at, made_at, digest
        );
    END IF;
    PERFORM tenancy_private.require_one_currency(debit.currency, payee_currency);
    RETURN debit.charged;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.move_between(
    uuid, uuid, numeric, uuid, text, timestamptz, timestamptz, bytea, uuid, boolean, uuid, uuid
) FROM public;

-- Every movement between workspaces. One of 0 or to oneself is recorded, and nothing moves.
CREATE FUNCTION tenancy_private.move_money(
    payer uuid, payee uuid, amount numeric, kind text, reference text, fingerprint bytea,
    occurred_at timestamptz,
    hold uuid DEFAULT NULL, api_key_id uuid DEFAULT NULL, user_id uuid DEFAULT NULL,
    OUT transfer_id uuid, OUT replayed boolean, OUT charged numeric, OUT unpaid numeric
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    price CONSTANT numeric := tenancy_private.checked_amount(amount);
    made_at CONSTANT timestamptz := clock_timestamp();
    begun record;
BEGIN
    -- The movement counts where its hold did, and so does its reversal.
    IF hold IS NOT NULL THEN
        api_key_id := coalesce(api_key_id, (
            SELECT h.api_key_id FROM tenancy.wallet_holds AS h WHERE h.workspace_id = payer AND h.id = hold
        ));
        user_id := coalesce(user_id, (
            SELECT h.user_id FROM tenancy.wallet_holds AS h WHERE h.workspace_id = payer AND h.id = hold
        ));
    END IF;
    begun := tenancy_private.begin_transfer(
        payer, payee, price, kind, reference, fingerprint, occurred_at, made_at, api_key_id, user_id, NULL
    );
    transfer_id := begun.transfer_id;
    replayed := begun.replayed;
    unpaid := 0;
    IF replayed THEN
        SELECT u.amount INTO unpaid FROM tenancy.unpaid_amounts AS u
        WHERE u.workspace_id = payer AND u.transfer_id = move_money.transfer_id;
        unpaid := coalesce(unpaid, 0);
        charged := CASE WHEN payer = payee THEN 0 ELSE begun.old_amount - unpaid END;
    ELSIF price = 0 OR payer = payee THEN
        charged := 0;
        IF hold IS NOT NULL THEN
            PERFORM tenancy_private.release_hold(hold, payer);
        END IF;
    ELSE
        charged := tenancy_private.move_between(
            payer, payee, price, transfer_id, kind, occurred_at, made_at,
            tenancy.transfer_digest(payer, payee, price, kind, reference, fingerprint, occurred_at, NULL),
            hold, hold IS NOT NULL, api_key_id, user_id
        );
        unpaid := price - charged;
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.move_money(
    uuid, uuid, numeric, text, text, bytea, timestamptz, uuid, uuid, uuid
) FROM public;
COMMENT ON FUNCTION tenancy_private.move_money(
    uuid, uuid, numeric, text, text, bytea, timestamptz, uuid, uuid, uuid
) IS
'Charges the payer and credits the payee, once for each payer, kind and reference; a repeated call returns the same '
'answer. With a hold it books the whole amount: charged is the paid part, unpaid the rest. Raises P0001 '
'insufficient_funds, spending_limit_reached, 23505 reference_reused, P0002 hold_not_found, workspace_not_found, '
'22023 amount_invalid, currency_mismatch.';

-- Many movements from one payer to one payee, all of them or none. Sorted, so that two batches
-- with the same references do not deadlock.
CREATE FUNCTION tenancy_private.move_money_batch(
    payer uuid, payee uuid, kind text, reference_list text[], fingerprints bytea[],
    amounts numeric[],
    occurred_at timestamptz[], api_key_id uuid DEFAULT NULL, user_id uuid DEFAULT NULL
) RETURNS TABLE (reference text, transfer_id uuid, replayed boolean, charged numeric)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    made_at CONSTANT timestamptz := clock_timestamp();
    size CONSTANT integer := coalesce(cardinality(reference_list), 0);
    made jsonb;
    new_ids uuid[];
    new_amounts numeric[];
    new_times timestamptz[];
    new_digests bytea[];
    total numeric;
    halves uuid[] := ARRAY[least(payer, payee), greatest(payer, payee)];
    half uuid;
    wallet tenancy.wallets;
    currencies text[] := '{}';
    balances numeric[];
    chains bytea[];
    first_version bigint;
    sign numeric;
BEGIN
    IF cardinality(fingerprints) IS DISTINCT FROM size
        OR cardinality(amounts) IS DISTINCT FROM size
        OR cardinality(move_money_batch.occurred_at) IS DISTINCT FROM size
    THEN
        RAISE EXCEPTION 'the lists of a batch have different lengths'
        USING ERRCODE = '22023',
        CONSTRAINT = 'batch_invalid',
        HINT = 'Give each reference its fingerprint, amount and time.';
    END IF;
    -- Of duplicates in the batch the first is the movement.
    WITH begun AS (
        INSERT INTO tenancy.transfers AS t (
            workspace_id, kind, reference, payee_id, amount, fingerprint, occurred_at, created_at, api_key_id, user_id
        )
        SELECT
            payer, move_money_batch.kind, a.reference, payee, tenancy_private.checked_amount(a.amount), a.fingerprint,
            a.happened_at, made_at, move_money_batch.api_key_id, move_money_batch.user_id
        FROM unnest(reference_list, fingerprints, amounts, move_money_batch.occurred_at)
        WITH ORDINALITY AS a (reference, fingerprint, amount, happened_at, place)
        ORDER BY a.reference COLLATE "C", a.place
        ON CONFLICT ON CONSTRAINT transfers_pkey DO NOTHING
        RETURNING t.*
    )

    SELECT
        array_agg(b.id ORDER BY b.reference COLLATE "C"),
        array_agg(b.amount ORDER BY b.reference COLLATE "C"),
        array_agg(b.occurred_at ORDER BY b.reference COLLATE "C"),
        array_agg(tenancy.transfer_digest(
            payer, payee, b.amount, b.kind, b.reference, b.fingerprint, b.occurred_at, NULL
        ) ORDER BY b.reference COLLATE "C"),
        coalesce(sum(b.amount), 0)
    INTO new_ids, new_amounts, new_times, new_digests, total
    FROM begun AS b;

    IF EXISTS (
        SELECT FROM unnest(reference_list, fingerprints) AS a (reference, fingerprint)
        INNER JOIN tenancy.transfers AS t
            ON t.workspace_id = payer AND t.kind = move_money_batch.kind AND a.reference = t.reference
        WHERE t.fingerprint <> a.fingerprint OR t.payee_id <> payee
    ) THEN
        RAISE EXCEPTION 'a reference of the batch belongs to another movement'
        USING ERRCODE = '23505',
        CONSTRAINT = 'reference_reused',
        HINT = 'A reference identifies one movement for ever: repeat the same request, or use another reference.';
    END IF;

    IF total > 0 AND payer <> payee THEN
        FOREACH half IN ARRAY halves LOOP
            wallet := tenancy_private.lock_wallet(half);
            currencies := currencies || wallet.currency;
            sign := CASE half WHEN payer THEN -1 ELSE 1 END;
            IF half = payee AND wallet.is_deferred THEN
                INSERT INTO tenancy_private.pending_credits (
                    workspace_id, transfer_id, kind, amount, occurred_at, created_at, digest
                )
                SELECT payee, e.id, move_money_batch.kind, e.amount, e.happened_at, made_at, e.digest
                FROM unnest(new_ids, new_amounts, new_times, new_digests) AS e (id, amount, happened_at, digest)
                WHERE e.amount > 0;
                CONTINUE;
            END IF;
            IF half = payer AND (wallet.unpaid > 0 OR wallet.balance - wallet.held + wallet.overdraft < total) THEN
                PERFORM tenancy_private.refuse_funds(wallet.unpaid > 0);
            END IF;
            first_version := wallet.version;
            balances := '{}';
            chains := '{}';
            FOR place IN 1..cardinality(new_ids) LOOP
                IF new_amounts[place] > 0 THEN
                    wallet.version := wallet.version + 1;
                    wallet.balance := wallet.balance + sign * new_amounts[place];
                    wallet.chain := tenancy.entry_hash(
                        wallet.chain, half, wallet.version, new_ids[place], sign * new_amounts[place], wallet.balance,
                        made_at, new_digests[place]
                    );
                END IF;
                balances[place] := wallet.balance;
                chains[place] := wallet.chain;
            END LOOP;
            INSERT INTO tenancy.ledger_entries (
                workspace_id, version, transfer_id, kind, amount, balance_after, occurred_at, created_at, digest, chain
            )
            SELECT
                half, first_version + row_number() OVER (ORDER BY e.place), e.id, move_money_batch.kind,
                sign * e.amount, e.balance_after, e.happened_at, made_at, e.digest, e.chain
            FROM unnest(new_ids, new_amounts, new_times, new_digests, balances, chains)
            WITH ORDINALITY AS e (id, amount, happened_at, digest, balance_after, chain, place)
            WHERE e.amount > 0;
            UPDATE tenancy.wallets AS w
            SET balance = wallet.balance, version = wallet.version, chain = wallet.chain
            WHERE w.workspace_id = half;
            IF half = payer AND wallet.granted > 0 THEN
                FOR place IN 1..cardinality(new_ids) LOOP
                    PERFORM tenancy_private.spend_grants(payer, new_ids[place], new_amounts[place]);
                END LOOP;
            END IF;
            IF half = payer AND wallet.is_limited THEN
                PERFORM tenancy_private.count_spending(
                    payer, move_money_batch.api_key_id, move_money_batch.user_id, total, made_at, true
                );
            END IF;
        END LOOP;
        PERFORM tenancy_private.require_one_currency(currencies[1], currencies[2]);
    END IF;

    RETURN QUERY
    SELECT
        a.reference,
        t.id,
        NOT (t.id = ANY(coalesce(new_ids, '{}')) AND row_number() OVER (PARTITION BY a.reference ORDER BY a.place) = 1),
        CASE WHEN payer = payee THEN 0 ELSE t.amount - coalesce(u.amount, 0) END
    FROM unnest(reference_list) WITH ORDINALITY AS a (reference, place)
    INNER JOIN tenancy.transfers AS t
        ON t.workspace_id = payer AND t.kind = move_money_batch.kind AND a.reference = t.reference
    LEFT JOIN tenancy.unpaid_amounts AS u ON u.workspace_id = payer AND t.id = u.transfer_id
    ORDER BY a.place;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.move_money_batch(
    uuid, uuid, text, text[], bytea[], numeric[], timestamptz[], uuid, uuid
) FROM public;
COMMENT ON FUNCTION tenancy_private.move_money_batch(
    uuid, uuid, text, text[], bytea[], numeric[], timestamptz[], uuid, uuid
) IS
'Makes many movements like move_money(), all of them or none, and writes each wallet once.';

CREATE FUNCTION tenancy_private.hold_money(
    payer uuid, amount numeric, expires_in interval, reference text, api_key_id uuid DEFAULT NULL,
    user_id uuid DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted CONSTANT numeric := tenancy_private.checked_amount(amount);
    wallet tenancy.wallets;
    held record;
    made_at timestamptz;
BEGIN
    expires_in := tenancy_private.checked_hold_length(expires_in);
    wallet := tenancy_private.lock_wallet(payer);
    made_at := clock_timestamp();
    SELECT h.id, h.amount, h.is_freed INTO held FROM tenancy.wallet_holds AS h
    WHERE h.workspace_id = payer AND h.reference = hold_money.reference;
    IF FOUND THEN
        IF held.amount <> wanted OR held.is_freed THEN
            RAISE EXCEPTION 'the reference belongs to another hold'
            USING ERRCODE = '23505',
            CONSTRAINT = 'reference_reused',
            HINT = 'Use another reference for each hold.';
        END IF;
        RETURN held.id;
    END IF;
    IF wallet.unpaid > 0 OR wallet.balance - wallet.held + wallet.overdraft < wanted THEN
        PERFORM tenancy_private.refuse_funds(wallet.unpaid > 0);
    END IF;
    INSERT INTO tenancy.wallet_holds AS h (
        workspace_id, amount, reference, api_key_id, user_id, created_at, expires_at
    )
    VALUES (payer, wanted, reference, api_key_id, user_id, made_at, made_at + expires_in)
    RETURNING h.id, h.expires_at INTO held;
    UPDATE tenancy.wallets AS w
    SET held = w.held + wanted, next_expiry = least(w.next_expiry, held.expires_at)
    WHERE w.workspace_id = payer;
    IF wallet.is_limited THEN
        PERFORM tenancy_private.count_spending(payer, api_key_id, user_id, wanted, made_at, true);
    END IF;
    RETURN held.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.hold_money(
    uuid, numeric, interval, text, uuid, uuid
) FROM public;
COMMENT ON FUNCTION tenancy_private.hold_money(uuid, numeric, interval, text, uuid, uuid) IS
'Reserves an amount for at most a day; the same reference and amount return the same hold. Raises P0001 '
'insufficient_funds, spending_limit_reached, 23505 reference_reused, 22023 amount_invalid, hold_expiry_invalid.';

-- The owner of the hold may be omitted; a hold that has ended is not an error.
CREATE FUNCTION tenancy_private.release_hold(hold uuid, payer uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wallet tenancy.wallets;
    released record;
    holder uuid := coalesce(payer, (SELECT h.workspace_id FROM tenancy.wallet_holds AS h WHERE h.id = hold));
BEGIN
    IF holder IS NULL THEN
        RETURN;
    END IF;
    wallet := tenancy_private.lock_wallet(holder);
    DELETE FROM tenancy.wallet_holds AS h WHERE h.workspace_id = holder AND h.id = hold
    RETURNING h.amount, h.is_freed, h.api_key_id, h.user_id, h.created_at INTO released;
    IF NOT released.is_freed THEN
        UPDATE tenancy.wallets AS w SET held = w.held - released.amount WHERE w.workspace_id = holder;
        IF wallet.is_limited THEN
            PERFORM tenancy_private.count_spending(
                holder, released.api_key_id, released.user_id, -released.amount, released.created_at, false
            );
        END IF;
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.release_hold(uuid, uuid) FROM public;

-- Pays debts as far as the wallet allows, oldest first, to creditors whose wallets the caller
-- has locked: another creditor may have been added meanwhile.
CREATE FUNCTION tenancy_private.settle_unpaid(payer uuid, locked uuid[]) RETURNS numeric
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made_at CONSTANT timestamptz := clock_timestamp();
    wallet tenancy.wallets;
    owed record;
    paid numeric;
    begun record;
    fingerprint bytea;
    settled numeric := 0;
BEGIN
    SELECT w.* INTO wallet FROM tenancy.wallets AS w WHERE w.workspace_id = payer;
    FOR owed IN
        SELECT u.transfer_id, u.payee_id, u.remaining, u.payments
        FROM tenancy.unpaid_amounts AS u
        WHERE u.workspace_id = payer AND u.remaining > 0 AND u.payee_id = ANY(locked)
        ORDER BY u.created_at, u.transfer_id
    LOOP
        paid := least(owed.remaining, wallet.balance - wallet.held + wallet.overdraft);
        EXIT WHEN paid <= 0;
        fingerprint := sha256(uuid_send(owed.transfer_id) || int4send(owed.payments));
        begun := tenancy_private.begin_transfer(
            payer, owed.payee_id, paid, 'settlement', owed.transfer_id || '/' || owed.payments, fingerprint, made_at,
            made_at, NULL, NULL, NULL
        );
        UPDATE tenancy.unpaid_amounts AS u SET remaining = u.remaining - paid, payments = u.payments + 1
        WHERE u.workspace_id = payer AND u.transfer_id = owed.transfer_id;
        UPDATE tenancy.wallets AS w SET unpaid = w.unpaid - paid WHERE w.workspace_id = payer;
        fingerprint := tenancy.transfer_digest(
            payer, owed.payee_id, paid, 'settlement', owed.transfer_id || '/' || owed.payments, fingerprint, made_at,
            NULL
        );
        PERFORM tenancy_private.add_entry(payer, -paid, begun.transfer_id, 'settlement', made_at, made_at, fingerprint);
        PERFORM tenancy_private.credit_wallet(
            owed.payee_id, paid, begun.transfer_id, 'settlement', made_at, made_at, fingerprint
        );
        IF wallet.granted > 0 THEN
            PERFORM tenancy_private.spend_grants(payer, begun.transfer_id, paid);
        END IF;
        settled := settled + paid;
        SELECT w.* INTO wallet FROM tenancy.wallets AS w WHERE w.workspace_id = payer;
    END LOOP;
    RETURN settled;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.settle_unpaid(uuid, uuid[]) FROM public;

-- Locks a wallet and those of its creditors, in the order of their ids, and returns these ids.
CREATE FUNCTION tenancy_private.lock_with_creditors(workspace_id uuid) RETURNS uuid[]
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    concerned uuid;
    locked uuid[] := '{}';
BEGIN
    FOR concerned IN
        SELECT c.id FROM (
            SELECT lock_with_creditors.workspace_id AS id
            UNION
            SELECT u.payee_id FROM tenancy.unpaid_amounts AS u
            WHERE u.workspace_id = lock_with_creditors.workspace_id AND u.remaining > 0
        ) AS c
        ORDER BY c.id
    LOOP
        PERFORM tenancy_private.lock_wallet(concerned);
        locked := locked || concerned;
    END LOOP;
    RETURN locked;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.lock_with_creditors(uuid) FROM public;

-- A separate movement, by which the payee returns what was paid. What the payee has
-- spent meanwhile remains a debt of the payee; what was never paid is no longer owed;
-- what came from grants returns to them.
CREATE FUNCTION tenancy_private.reverse_transfer(
    transfer uuid, reference text, OUT transfer_id uuid, OUT replayed boolean, OUT charged numeric,
    OUT unpaid numeric
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made_at CONSTANT timestamptz := clock_timestamp();
    fingerprint CONSTANT bytea := sha256(convert_to('reversal/' || reverse_transfer.transfer, 'UTF8'));
    old record;
    owed numeric;
    paid numeric;
    begun record;
    wallet tenancy.wallets;
    use record;
BEGIN
    SELECT t.* INTO old FROM tenancy.transfers AS t WHERE t.id = reverse_transfer.transfer;
    IF NOT FOUND OR old.reverses IS NOT NULL
        OR old.workspace_id = old.payee_id AND old.amount > 0 AND EXISTS (
            SELECT FROM tenancy.ledger_entries AS e WHERE e.transfer_id = old.id AND e.workspace_id = old.workspace_id
        )
        OR old.kind = 'settlement'
    THEN
        RAISE EXCEPTION 'no such movement to reverse'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'transfer_not_found',
        HINT = 'Movements between two workspaces can be reversed; pay out a top-up instead, and repeat the movement '
            'instead of reversing a reversal.';
    END IF;

    -- Both wallets before the transfer, against the usual order: no other transaction waits for
    -- a reversal's key with a wallet locked.
    PERFORM tenancy_private.lock_wallet(w.id)
    FROM (SELECT DISTINCT u.id FROM unnest(ARRAY[old.workspace_id, old.payee_id]) AS u (id) ORDER BY u.id) AS w;
    SELECT u.remaining INTO owed FROM tenancy.unpaid_amounts AS u
    WHERE u.workspace_id = old.workspace_id AND u.transfer_id = old.id;
    owed := coalesce(owed, 0);
    paid := CASE WHEN old.workspace_id = old.payee_id THEN 0 ELSE old.amount - owed END;
    IF EXISTS (
        SELECT FROM tenancy.transfers AS t
        WHERE t.reverses = old.id AND t.workspace_id = old.payee_id AND t.reference <> reverse_transfer.reference
    ) THEN
        RAISE EXCEPTION 'the movement has already been reversed'
        USING ERRCODE = '23505',
        CONSTRAINT = 'already_reversed',
        HINT = 'A movement can be reversed once, and a reversal cannot be reversed.';
    END IF;
    begun := tenancy_private.begin_transfer(
        old.payee_id, old.workspace_id, paid, 'reversal', reference, fingerprint, made_at, made_at, NULL, NULL, old.id
    );
    transfer_id := begun.transfer_id;
    replayed := begun.replayed;
    IF replayed THEN
        SELECT u.amount INTO unpaid FROM tenancy.unpaid_amounts AS u
        WHERE u.workspace_id = old.payee_id AND u.transfer_id = begun.transfer_id;
        unpaid := coalesce(unpaid, 0);
        charged := begun.old_amount - unpaid;
        RETURN;
    END IF;
    charged := 0;
    IF paid > 0 THEN
        charged := tenancy_private.move_between(
            old.payee_id, old.workspace_id, paid, transfer_id, 'reversal', made_at, made_at,
            tenancy.transfer_digest(
                old.payee_id, old.workspace_id, paid, 'reversal', reference, fingerprint, made_at, old.id
            ),
            NULL, true, NULL, NULL
        );
    END IF;
    unpaid := paid - charged;
    IF owed > 0 THEN
        UPDATE tenancy.unpaid_amounts AS u SET remaining = 0
        WHERE u.workspace_id = old.workspace_id AND u.transfer_id = old.id;
        UPDATE tenancy.wallets AS w SET unpaid = w.unpaid - owed WHERE w.workspace_id = old.workspace_id;
    END IF;

    -- Grants get back no more than was returned.
    FOR use IN
        SELECT u.grant_id, least(u.amount, charged - coalesce(sum(u.amount) OVER earlier, 0)) AS amount, g.expires_at
        FROM tenancy.credit_grant_uses AS u
        INNER JOIN tenancy.credit_grants AS g ON u.workspace_id = g.workspace_id AND u.grant_id = g.id
        WHERE u.workspace_id = old.workspace_id AND u.transfer_id = old.id
        WINDOW earlier AS (ORDER BY u.grant_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    LOOP
        CONTINUE WHEN use.amount <= 0;
        UPDATE tenancy.credit_grants AS g SET remaining = g.remaining + use.amount
        WHERE g.workspace_id = old.workspace_id AND g.id = use.grant_id;
        UPDATE tenancy.wallets AS w
        SET granted = w.granted + use.amount, next_expiry = least(w.next_expiry, use.expires_at)
        WHERE w.workspace_id = old.workspace_id;
    END LOOP;
    SELECT w.* INTO wallet FROM tenancy.wallets AS w WHERE w.workspace_id = old.workspace_id;
    IF wallet.is_limited AND old.workspace_id <> old.payee_id THEN
        PERFORM tenancy_private.count_spending(
            old.workspace_id, old.api_key_id, old.user_id, -old.amount, old.created_at, false
        );
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.reverse_transfer(uuid, text) FROM public;
COMMENT ON FUNCTION tenancy_private.reverse_transfer(uuid, text) IS
'Reverses a movement, once: charged is the amount returned at once, unpaid the amount that the payee owes. Raises '
'P0002 transfer_not_found, 23505 already_reversed, reference_reused.';

\ir ../../notes/done.psql
COMMIT;
