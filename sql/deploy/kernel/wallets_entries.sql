-- Deploy pg-tenancy:kernel/wallets_entries to pg
-- requires: kernel/wallets

\set change kernel/wallets_entries
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Everything that moves money is here and in kernel/wallets_movements, and locks in one order,
-- so that no two movements deadlock: the transfer, then wallets by their workspace's id, then a
-- wallet's holds, grants, unpaid amounts and limits. These are never locked without their wallet.
-- The row of an adopted column is locked before the wallet.

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

\ir ../../notes/done.psql
COMMIT;
