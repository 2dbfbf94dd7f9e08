-- Deploy pg-tenancy:kernel/wallets_movements to pg
-- requires: kernel/wallets_entries

\set change kernel/wallets_movements
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

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
    held record;
    begun record;
BEGIN
    -- The movement counts where its hold did, and so does its reversal.
    IF hold IS NOT NULL THEN
        SELECT h.api_key_id, h.user_id INTO held
        FROM tenancy.wallet_holds AS h
        WHERE h.workspace_id = payer AND h.id = hold;
        api_key_id := coalesce(api_key_id, held.api_key_id);
        user_id := coalesce(user_id, held.user_id);
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
