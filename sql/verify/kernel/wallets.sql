-- Verify pg-tenancy:kernel/wallets on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    wanted text[] := ARRAY[
        'credit_grant_uses credit_grant_uses_append_only', 'ledger_checkpoints ledger_checkpoints_append_only',
        'ledger_entries ledger_entries_append_only', 'transfers transfers_append_only'
    ];
    found text[] := ARRAY(
        SELECT c.relname || ' ' || t.tgname
        FROM pg_catalog.pg_trigger AS t
        INNER JOIN pg_catalog.pg_class AS c ON t.tgrelid = c.oid
        WHERE t.tgfoid = 'tenancy_private.refuse_ledger_change()'::regprocedure
            -- BEFORE UPDATE OR DELETE OR TRUNCATE, FOR EACH STATEMENT, ENABLE ALWAYS.
            AND t.tgenabled = 'A' AND t.tgtype = 58
        ORDER BY 1
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'these triggers keep the ledger append-only: %, wanted %', found, wanted;
    END IF;
    wanted := ARRAY[
        'credit_grant_uses_amount_check', 'credit_grant_uses_grant_id_fkey', 'credit_grant_uses_pkey',
        'credit_grants_amount_check', 'credit_grants_pkey', 'ledger_checkpoints_pkey', 'ledger_entries_account_check',
        'ledger_entries_amount_check', 'ledger_entries_pkey', 'pending_credits_amount_check', 'pending_credits_pkey',
        'spending_limits_amount_check', 'spending_limits_pkey', 'spending_limits_subject_check',
        'spending_limits_subject_key', 'transfers_amount_check', 'transfers_fingerprint_check', 'transfers_kind_check',
        'transfers_occurred_at_check', 'transfers_pkey', 'transfers_reference_check', 'unpaid_amounts_amount_check',
        'unpaid_amounts_pkey', 'wallet_holds_amount_check', 'wallet_holds_pkey', 'wallet_holds_reference_check',
        'wallet_holds_reference_key', 'wallets_adoption_check', 'wallets_balance_check', 'wallets_currency_check', 'wallets_granted_check',
        'wallets_held_check', 'wallets_overdraft_check', 'wallets_pkey', 'wallets_unpaid_check'
    ];
    found := ARRAY(
        SELECT c.conname::text FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid IN (
                'tenancy.wallets'::regclass, 'tenancy.transfers'::regclass, 'tenancy.ledger_entries'::regclass,
                'tenancy.wallet_holds'::regclass, 'tenancy.credit_grants'::regclass,
                'tenancy.credit_grant_uses'::regclass, 'tenancy.unpaid_amounts'::regclass,
                'tenancy.spending_limits'::regclass, 'tenancy.ledger_checkpoints'::regclass,
                'tenancy_private.pending_credits'::regclass
            )
            AND c.contype <> 'n' AND c.convalidated
        ORDER BY c.conname::text COLLATE "C"
    );
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'wallets and ledger have the constraints %, wanted %', found, wanted;
    END IF;
    IF NOT (
        SELECT bool_and(i.indisunique AND i.indisvalid) FROM pg_catalog.pg_index AS i
        WHERE i.indexrelid IN ('tenancy.transfers_id_idx'::regclass, 'tenancy.transfers_reverses_idx'::regclass)
    ) THEN
        RAISE EXCEPTION 'the unique indexes of tenancy.transfers are not valid';
    END IF;
    IF NOT EXISTS (SELECT FROM tenancy.permissions AS p WHERE p.permission = 'finops.view') THEN
        RAISE EXCEPTION 'the permission to see money is missing';
    END IF;
END;
$$;

ROLLBACK;
