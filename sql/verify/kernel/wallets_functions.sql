-- Verify pg-tenancy:kernel/wallets_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.wallet()',
    'tenancy.statement(timestamptz, timestamptz)',
    'tenancy.verify_statement(bigint, bytea)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.entries_to_prove(uuid, timestamptz)',
    'tenancy_private.ledger_problems(uuid, timestamptz)',
    'tenancy_private.require_positive(numeric)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.top_up(uuid, numeric, text)',
    'tenancy.pay_out(uuid, numeric, text)',
    'tenancy.grant_credit(uuid, numeric, text, timestamptz, integer)',
    'tenancy.charge(uuid, uuid, numeric, text, text, timestamptz, uuid, uuid, uuid)',
    'tenancy.refund(uuid, text)',
    'tenancy.hold_amount(uuid, numeric, interval, text, uuid, uuid)',
    'tenancy.release_amount(uuid)',
    'tenancy.settle(uuid)',
    'tenancy.fold_credits(uuid)',
    'tenancy.set_overdraft(uuid, numeric)',
    'tenancy.set_currency(uuid, text)',
    'tenancy.set_deferred_credit(uuid, boolean)',
    'tenancy.set_spending_limit(uuid, numeric, uuid, uuid)',
    'tenancy.set_plan(uuid, text)',
    'tenancy.take_checkpoint()'
], ARRAY['tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.reconcile(uuid, timestamptz)'
], ARRAY['tenancy_service', 'tenancy_auditor']);

ROLLBACK;
