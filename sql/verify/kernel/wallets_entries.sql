-- Verify pg-tenancy:kernel/wallets_entries on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.checked_amount(numeric)',
    'tenancy_private.checked_hold_length(interval)',
    'tenancy_private.lock_adopted_balance(uuid)',
    'tenancy_private.refuse_workspace_id()',
    'tenancy_private.refuse_funds(boolean)',
    'tenancy_private.begin_transfer(uuid, uuid, numeric, text, text, '
    'bytea, timestamptz, timestamptz, uuid, uuid, uuid)',
    'tenancy_private.make_wallet(uuid)',
    'tenancy_private.add_entry(uuid, numeric, uuid, '
    'text, timestamptz, timestamptz, bytea, boolean)',
    'tenancy_private.book_outside(uuid, numeric, text, text, bytea, timestamptz)',
    'tenancy_private.fold_pending(uuid)',
    'tenancy_private.count_spending(uuid, uuid, uuid, numeric, timestamptz, boolean)',
    'tenancy_private.refuse_spending()',
    'tenancy_private.check_spending_limits(uuid, uuid, uuid, numeric)',
    'tenancy_private.lock_wallet(uuid)',
    'tenancy_private.spend_grants(uuid, uuid, numeric)',
    'tenancy_private.debit_wallet(uuid, numeric, uuid, text, timestamptz, '
    'timestamptz, bytea, uuid, boolean, uuid, uuid, uuid)',
    'tenancy_private.credit_wallet(uuid, numeric, uuid, text, timestamptz, timestamptz, bytea)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.transfer_digest(uuid, uuid, numeric, text, text, bytea, timestamptz, uuid)',
    'tenancy.entry_hash(bytea, uuid, bigint, uuid, numeric, numeric, timestamptz, bytea)'
], ARRAY['tenancy_credentialed', 'tenancy_service', 'tenancy_auditor']);

ROLLBACK;
