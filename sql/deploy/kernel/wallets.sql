-- Deploy pg-tenancy:kernel/wallets to pg
-- requires: kernel/audit_log
-- requires: kernel/workspaces_backfill

\set change kernel/wallets
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Money outlives accounts: no foreign key refers to a workspace, so that deleting
-- a person or an organization neither fails because of an entry nor deletes one.

-- The balance of a workspace. It is stored, because computing it would cost more with the age
-- of a wallet; the ledger proves it. No index contains a column that a payment changes, and
-- each page has free space, so that a busy wallet's row stays in its page.
CREATE TABLE tenancy.wallets (
    workspace_id uuid           NOT NULL,
    currency     text           NOT NULL DEFAULT 'EUR',
    balance      numeric(20, 6) NOT NULL DEFAULT 0,
    held         numeric(20, 6) NOT NULL DEFAULT 0,
    granted      numeric(20, 6) NOT NULL DEFAULT 0,
    unpaid       numeric(20, 6) NOT NULL DEFAULT 0,
    overdraft    numeric(20, 6) NOT NULL DEFAULT 0,
    version      bigint         NOT NULL DEFAULT 0,
    chain        bytea          NOT NULL DEFAULT '\x',
    next_expiry  timestamptz    NOT NULL DEFAULT 'infinity',
    is_limited   boolean        NOT NULL DEFAULT false,
    is_deferred  boolean        NOT NULL DEFAULT false,
    adoption     text           NOT NULL DEFAULT 'none',
    CONSTRAINT wallets_pkey PRIMARY KEY (workspace_id),
    CONSTRAINT wallets_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT wallets_balance_check CHECK (balance >= -overdraft AND balance < 'Infinity'),
    CONSTRAINT wallets_held_check CHECK (held >= 0 AND held < 'Infinity'),
    CONSTRAINT wallets_granted_check CHECK (granted >= 0 AND granted < 'Infinity'),
    CONSTRAINT wallets_unpaid_check CHECK (unpaid >= 0 AND unpaid < 'Infinity'),
    CONSTRAINT wallets_overdraft_check CHECK (overdraft >= 0 AND overdraft < 'Infinity'),
    CONSTRAINT wallets_adoption_check CHECK (adoption IN ('none', 'in_step', 'left'))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE tenancy.wallets IS
'The money of a workspace: one row, created when money first moves.';
COMMENT ON COLUMN tenancy.wallets.held IS
'Reserved by holds that are open; part of the balance.';
COMMENT ON COLUMN tenancy.wallets.granted IS
'The rest of grants; part of the balance, spent before other money and never paid out.';
COMMENT ON COLUMN tenancy.wallets.unpaid IS
'Amounts that were served and not covered. Until they are settled, nothing more can be bought.';
COMMENT ON COLUMN tenancy.wallets.version IS
'The number of the newest entry.';
COMMENT ON COLUMN tenancy.wallets.chain IS
'The hash of the newest entry, which includes that of the previous one.';
COMMENT ON COLUMN tenancy.wallets.next_expiry IS
'When the first open hold or grant ends; the next access to the wallet after that processes it.';
COMMENT ON COLUMN tenancy.wallets.is_deferred IS
'Whether payments to this wallet wait in pending_credits, so that many payers need not wait for one row.';
COMMENT ON COLUMN tenancy.wallets.adoption IS
'Whether a column of the application has the balance too: in_step, or left after a revert.';

-- One row for each movement, with the reference that makes it happen only once. The key
-- contains the payer: a key over all rows would reveal the references of others.
CREATE TABLE tenancy.transfers (
    workspace_id uuid           NOT NULL,
    kind         text           NOT NULL,
    reference    text           NOT NULL,
    id           uuid           NOT NULL DEFAULT gen_random_uuid(),
    payee_id     uuid           NOT NULL,
    amount       numeric(20, 6) NOT NULL,
    fingerprint  bytea          NOT NULL,
    occurred_at  timestamptz    NOT NULL,
    created_at   timestamptz    NOT NULL,
    api_key_id   uuid,
    user_id      uuid,
    reverses     uuid,
    CONSTRAINT transfers_pkey PRIMARY KEY (workspace_id, kind, reference),
    CONSTRAINT transfers_kind_check CHECK (kind ~ '^[a-z_]{1,40}$'),
    CONSTRAINT transfers_reference_check CHECK (length(reference) BETWEEN 1 AND 200),
    CONSTRAINT transfers_amount_check CHECK (amount >= 0 AND amount < 'Infinity'),
    CONSTRAINT transfers_fingerprint_check CHECK (length(fingerprint) = 32),
    CONSTRAINT transfers_occurred_at_check CHECK (isfinite(occurred_at))
);
COMMENT ON TABLE tenancy.transfers IS
'Append-only. One row for each movement of money, once for each payer, kind and reference, for ever.';
COMMENT ON COLUMN tenancy.transfers.workspace_id IS 'The payer.';
COMMENT ON COLUMN tenancy.transfers.payee_id IS
'The payee; the same as the payer if money enters or leaves.';
COMMENT ON COLUMN tenancy.transfers.amount IS
'The whole price. The uncovered part is in unpaid_amounts.';
COMMENT ON COLUMN tenancy.transfers.fingerprint IS
'SHA-256 of the request, which distinguishes another request with the same reference.';
CREATE UNIQUE INDEX transfers_id_idx ON tenancy.transfers (id, workspace_id);
CREATE UNIQUE INDEX transfers_reverses_idx ON tenancy.transfers (
    reverses, workspace_id
) WHERE reverses IS NOT NULL;

-- Two rows for each movement, each owned by one tenant. If money enters or leaves, the other
-- row is in the workspace's account outside, so that no row is shared.
CREATE TABLE tenancy.ledger_entries (
    workspace_id  uuid           NOT NULL,
    version       bigint         NOT NULL,
    account       text           NOT NULL DEFAULT 'wallet',
    transfer_id   uuid           NOT NULL,
    kind          text           NOT NULL,
    amount        numeric(20, 6) NOT NULL,
    balance_after numeric(20, 6),
    occurred_at   timestamptz    NOT NULL,
    created_at    timestamptz    NOT NULL,
    digest        bytea,
    chain         bytea,
    CONSTRAINT ledger_entries_pkey PRIMARY KEY (workspace_id, version, account),
    CONSTRAINT ledger_entries_account_check CHECK (
        CASE account
            WHEN 'wallet'
                THEN balance_after IS NOT NULL AND digest IS NOT NULL AND chain IS NOT NULL
            WHEN 'outside' THEN balance_after IS NULL AND digest IS NULL AND chain IS NULL
            ELSE false
        END
    ),
    CONSTRAINT ledger_entries_amount_check CHECK (
        amount <> 0 AND amount > '-Infinity' AND amount < 'Infinity'
    )
);
COMMENT ON TABLE tenancy.ledger_entries IS
'Append-only. Every movement as a pair of entries with the sum 0, numbered in each wallet and chained by hashes.';
COMMENT ON COLUMN tenancy.ledger_entries.digest IS
'The hash of the movement: payer, payee, price, reference, fingerprint.';
COMMENT ON COLUMN tenancy.ledger_entries.chain IS
'The hash over the entry, its digest and the hash of the wallet''s previous entry; see tenancy.entry_hash().';
CREATE INDEX ledger_entries_transfer_id_idx ON tenancy.ledger_entries (transfer_id, workspace_id);

-- Amounts reserved before anything is bought.
CREATE TABLE tenancy.wallet_holds (
    workspace_id uuid           NOT NULL,
    id           uuid           NOT NULL DEFAULT gen_random_uuid(),
    amount       numeric(20, 6) NOT NULL,
    reference    text           NOT NULL,
    api_key_id   uuid,
    user_id      uuid,
    created_at   timestamptz    NOT NULL,
    expires_at   timestamptz    NOT NULL,
    is_freed     boolean        NOT NULL DEFAULT false,
    CONSTRAINT wallet_holds_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT wallet_holds_reference_key UNIQUE (workspace_id, reference),
    CONSTRAINT wallet_holds_reference_check CHECK (length(reference) BETWEEN 1 AND 200),
    CONSTRAINT wallet_holds_amount_check CHECK (amount >= 0 AND amount < 'Infinity')
);
COMMENT ON TABLE tenancy.wallet_holds IS
'Reserved money. A hold is deleted once it is used or released; an expired hold reserves nothing but can be used.';
CREATE INDEX wallet_holds_expires_at_idx ON tenancy.wallet_holds (workspace_id, expires_at);

CREATE TABLE tenancy.credit_grants (
    workspace_id uuid           NOT NULL,
    id           uuid           NOT NULL,
    amount       numeric(20, 6) NOT NULL,
    remaining    numeric(20, 6) NOT NULL,
    priority     integer        NOT NULL,
    created_at   timestamptz    NOT NULL,
    expires_at   timestamptz    NOT NULL,
    CONSTRAINT credit_grants_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT credit_grants_amount_check CHECK (amount > 0 AND remaining BETWEEN 0 AND amount)
);
COMMENT ON TABLE tenancy.credit_grants IS
'Granted credit. The lowest priority is spent first, then the earliest expiry, then the earliest grant.';
COMMENT ON COLUMN tenancy.credit_grants.id IS 'The movement that granted it.';

CREATE TABLE tenancy.credit_grant_uses (
    workspace_id uuid           NOT NULL,
    transfer_id  uuid           NOT NULL,
    grant_id     uuid           NOT NULL,
    amount       numeric(20, 6) NOT NULL,
    CONSTRAINT credit_grant_uses_pkey PRIMARY KEY (workspace_id, transfer_id, grant_id),
    CONSTRAINT credit_grant_uses_grant_id_fkey FOREIGN KEY (workspace_id, grant_id)
    REFERENCES tenancy.credit_grants (workspace_id, id) ON DELETE RESTRICT,
    CONSTRAINT credit_grant_uses_amount_check CHECK (amount > 0 AND amount < 'Infinity')
);
COMMENT ON TABLE tenancy.credit_grant_uses IS
'Append-only. The grants that paid a movement, so that a reversal returns the money to them.';
CREATE INDEX credit_grant_uses_grant_id_idx ON tenancy.credit_grant_uses (workspace_id, grant_id);

CREATE TABLE tenancy.unpaid_amounts (
    workspace_id uuid           NOT NULL,
    transfer_id  uuid           NOT NULL,
    payee_id     uuid           NOT NULL,
    amount       numeric(20, 6) NOT NULL,
    remaining    numeric(20, 6) NOT NULL,
    payments     integer        NOT NULL DEFAULT 0,
    created_at   timestamptz    NOT NULL,
    CONSTRAINT unpaid_amounts_pkey PRIMARY KEY (workspace_id, transfer_id),
    CONSTRAINT unpaid_amounts_amount_check CHECK (
        amount > 0 AND amount < 'Infinity' AND remaining BETWEEN 0 AND amount
    )
);
COMMENT ON TABLE tenancy.unpaid_amounts IS
'The uncovered amounts of movements; remaining is still to be paid.';

-- The maximum that a key, a person or the whole workspace spends in a month.
CREATE TABLE tenancy.spending_limits (
    workspace_id uuid           NOT NULL,
    id           uuid           NOT NULL DEFAULT gen_random_uuid(),
    api_key_id   uuid,
    user_id      uuid,
    amount       numeric(20, 6) NOT NULL,
    spent        numeric(20, 6) NOT NULL DEFAULT 0,
    spent_in     date           NOT NULL,
    CONSTRAINT spending_limits_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT spending_limits_subject_key UNIQUE NULLS NOT DISTINCT (workspace_id, api_key_id,
    user_id),
    CONSTRAINT spending_limits_subject_check CHECK (api_key_id IS NULL OR user_id IS NULL),
    CONSTRAINT spending_limits_amount_check CHECK (amount >= 0 AND amount < 'Infinity')
);
COMMENT ON TABLE tenancy.spending_limits IS
'The limit for a calendar month (UTC): with an API key, by a person, or by the whole workspace if both are NULL.';
COMMENT ON COLUMN tenancy.spending_limits.spent IS
'The amount spent and held in the month spent_in.';

-- Payments to wallets with is_deferred that are not entries yet.
CREATE TABLE tenancy_private.pending_credits (
    workspace_id uuid           NOT NULL,
    transfer_id  uuid           NOT NULL,
    kind         text           NOT NULL,
    amount       numeric(20, 6) NOT NULL,
    occurred_at  timestamptz    NOT NULL,
    created_at   timestamptz    NOT NULL,
    digest       bytea          NOT NULL,
    CONSTRAINT pending_credits_pkey PRIMARY KEY (workspace_id, transfer_id),
    CONSTRAINT pending_credits_amount_check CHECK (amount > 0 AND amount < 'Infinity')
);
COMMENT ON TABLE tenancy_private.pending_credits IS
'Payments without an entry of the payee yet; fold_credits() turns them into entries.';

-- The state of each wallet at a time when it was verified.
CREATE TABLE tenancy.ledger_checkpoints (
    workspace_id uuid           NOT NULL,
    version      bigint         NOT NULL,
    balance      numeric(20, 6) NOT NULL,
    chain        bytea          NOT NULL,
    created_at   timestamptz    NOT NULL,
    CONSTRAINT ledger_checkpoints_pkey PRIMARY KEY (workspace_id, version)
);
COMMENT ON TABLE tenancy.ledger_checkpoints IS
'Append-only. The state of a wallet that reconcile() has verified. A copy kept elsewhere reveals a rewritten ledger.';

-- Closed until wallets_policies opens them.
CALL tenancy_private.close_own_table('tenancy.wallets');
CALL tenancy_private.close_own_table('tenancy.transfers');
CALL tenancy_private.close_own_table('tenancy.ledger_entries');
CALL tenancy_private.close_own_table('tenancy.wallet_holds');
CALL tenancy_private.close_own_table('tenancy.credit_grants');
CALL tenancy_private.close_own_table('tenancy.credit_grant_uses');
CALL tenancy_private.close_own_table('tenancy.unpaid_amounts');
CALL tenancy_private.close_own_table('tenancy.spending_limits');
CALL tenancy_private.close_own_table('tenancy.ledger_checkpoints');
CALL tenancy_private.close_own_table('tenancy_private.pending_credits');

-- The kernel's plan has no such permission yet; its number is that of the platform's plan.
INSERT INTO tenancy.permissions (number, permission)
SELECT 34, 'finops.view'
WHERE NOT EXISTS (SELECT FROM tenancy.permissions AS p WHERE p.permission = 'finops.view');
INSERT INTO tenancy.role_permissions (permission, role)
SELECT 'finops.view', r.role
FROM unnest(ARRAY['owner', 'admin', 'manager', 'staff']) AS r (role)
WHERE NOT EXISTS (SELECT FROM tenancy.permissions AS p WHERE p.permission = 'finops.price')
ON CONFLICT ON CONSTRAINT role_permissions_pkey DO NOTHING;

CREATE FUNCTION tenancy_private.refuse_ledger_change() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only'
    USING ERRCODE = '42501',
    CONSTRAINT = 'ledger_is_append_only',
    HINT = 'Entries cannot be changed or removed: correct a movement by another one that reverses it.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_ledger_change() FROM public;

CREATE TRIGGER transfers_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON tenancy.transfers
FOR EACH STATEMENT EXECUTE FUNCTION tenancy_private.refuse_ledger_change();
ALTER TABLE tenancy.transfers ENABLE ALWAYS TRIGGER transfers_append_only;
CREATE TRIGGER ledger_entries_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON tenancy.ledger_entries
FOR EACH STATEMENT EXECUTE FUNCTION tenancy_private.refuse_ledger_change();
ALTER TABLE tenancy.ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_append_only;
CREATE TRIGGER credit_grant_uses_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON tenancy.credit_grant_uses
FOR EACH STATEMENT EXECUTE FUNCTION tenancy_private.refuse_ledger_change();
ALTER TABLE tenancy.credit_grant_uses ENABLE ALWAYS TRIGGER credit_grant_uses_append_only;
CREATE TRIGGER ledger_checkpoints_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON tenancy.ledger_checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION tenancy_private.refuse_ledger_change();
ALTER TABLE tenancy.ledger_checkpoints ENABLE ALWAYS TRIGGER ledger_checkpoints_append_only;

-- Purchases are only in the ledger; other movements are in the audit log too.
CREATE TRIGGER transfers_audit
AFTER INSERT ON tenancy.transfers
FOR EACH ROW
WHEN (
    new.reverses IS NOT NULL
    OR new.kind IN ('top_up', 'pay_out', 'grant', 'grant_expiry', 'opening', 'adopted',
    'settlement')
)
EXECUTE FUNCTION tenancy_private.audit(
    'transfer', 'workspace_id', 'id', 'kind', 'reference', 'payee_id', 'amount', 'reverses'
);
CREATE TRIGGER wallets_audit
AFTER UPDATE ON tenancy.wallets
FOR EACH ROW
WHEN (
    old.overdraft IS DISTINCT FROM new.overdraft
    OR old.currency IS DISTINCT FROM new.currency
    OR old.is_deferred IS DISTINCT FROM new.is_deferred
)
EXECUTE FUNCTION tenancy_private.audit(
    'wallet', 'workspace_id', 'workspace_id', 'overdraft', 'currency', 'is_deferred'
);
CREATE TRIGGER spending_limits_audit
AFTER INSERT OR UPDATE OF amount OR DELETE ON tenancy.spending_limits
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'spending_limit', 'workspace_id', 'id', 'api_key_id', 'user_id', 'amount'
);

CALL tenancy_private.record_triggers(
    'tenancy.transfers', 'transfers_append_only', 'transfers_audit'
);
CALL tenancy_private.record_triggers('tenancy.ledger_entries', 'ledger_entries_append_only');
CALL tenancy_private.record_triggers('tenancy.credit_grant_uses', 'credit_grant_uses_append_only');
CALL tenancy_private.record_triggers(
    'tenancy.ledger_checkpoints', 'ledger_checkpoints_append_only'
);
CALL tenancy_private.record_triggers('tenancy.wallets', 'wallets_audit');
CALL tenancy_private.record_triggers('tenancy.spending_limits', 'spending_limits_audit');

RESET ROLE;

-- Restores what a revert kept, unaudited: it has been audited before.
DO $$
DECLARE
    kept text;
BEGIN
    IF to_regclass('tenancy_archive.wallets') IS NULL THEN
        RETURN;
    END IF;
    ALTER TABLE tenancy.transfers DISABLE TRIGGER transfers_audit;
    ALTER TABLE tenancy.spending_limits DISABLE TRIGGER spending_limits_audit;
    FOREACH kept IN ARRAY ARRAY[
        'tenancy.wallets', 'tenancy.transfers', 'tenancy.ledger_entries', 'tenancy.wallet_holds',
        'tenancy.credit_grants', 'tenancy.credit_grant_uses', 'tenancy.unpaid_amounts', 'tenancy.spending_limits',
        'tenancy.ledger_checkpoints', 'tenancy_private.pending_credits'
    ] LOOP
        EXECUTE format('INSERT INTO %s SELECT a.* FROM tenancy_archive.%I AS a', kept, split_part(kept, '.', 2));
        CALL tenancy_private.drop_archived(split_part(kept, '.', 2));
    END LOOP;
    ALTER TABLE tenancy.transfers ENABLE TRIGGER transfers_audit;
    ALTER TABLE tenancy.spending_limits ENABLE TRIGGER spending_limits_audit;
END;
$$;

\ir ../../notes/done.psql
COMMIT;
