-- Verify pg-tenancy:kernel/wallets_movements on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.require_one_currency(text, text)',
    'tenancy_private.move_between(uuid, uuid, numeric, uuid, text, '
    'timestamptz, timestamptz, bytea, uuid, boolean, uuid, uuid)',
    'tenancy_private.move_money(uuid, uuid, numeric, '
    'text, text, bytea, timestamptz, uuid, uuid, uuid)',
    'tenancy_private.move_money_batch(uuid, uuid, '
    'text, text[], bytea[], numeric[], timestamptz[], uuid, uuid)',
    'tenancy_private.hold_money(uuid, numeric, interval, text, uuid, uuid)',
    'tenancy_private.release_hold(uuid, uuid)',
    'tenancy_private.settle_unpaid(uuid, uuid[])',
    'tenancy_private.lock_with_creditors(uuid)',
    'tenancy_private.reverse_transfer(uuid, text)'
]);

ROLLBACK;
