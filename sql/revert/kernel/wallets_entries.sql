-- Revert pg-tenancy:kernel/wallets_entries from pg

\set change kernel/wallets_entries
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy_private.credit_wallet(
    uuid, numeric, uuid, text, timestamptz, timestamptz, bytea
);
DROP FUNCTION tenancy_private.debit_wallet(
    uuid, numeric, uuid, text, timestamptz, timestamptz, bytea, uuid, boolean, uuid, uuid, uuid
);
DROP FUNCTION tenancy_private.spend_grants(uuid, uuid, numeric);
DROP FUNCTION tenancy_private.lock_wallet(uuid);
DROP FUNCTION tenancy_private.check_spending_limits(uuid, uuid, uuid, numeric);
DROP FUNCTION tenancy_private.refuse_spending();
DROP FUNCTION tenancy_private.count_spending(uuid, uuid, uuid, numeric, timestamptz, boolean);
DROP FUNCTION tenancy_private.fold_pending(uuid);
DROP FUNCTION tenancy_private.book_outside(uuid, numeric, text, text, bytea, timestamptz);
DROP FUNCTION tenancy_private.add_entry(
    uuid, numeric, uuid, text, timestamptz, timestamptz, bytea, boolean
);
DROP FUNCTION tenancy_private.make_wallet(uuid);
DROP FUNCTION tenancy_private.begin_transfer(
    uuid, uuid, numeric, text, text, bytea, timestamptz, timestamptz, uuid, uuid, uuid
);
DROP FUNCTION tenancy_private.refuse_funds(boolean);
DROP FUNCTION tenancy_private.refuse_workspace_id();
DROP FUNCTION tenancy_private.lock_adopted_balance(uuid);
DROP FUNCTION tenancy.entry_hash(bytea, uuid, bigint, uuid, numeric, numeric, timestamptz, bytea);
DROP FUNCTION tenancy.transfer_digest(uuid, uuid, numeric, text, text, bytea, timestamptz, uuid);
DROP FUNCTION tenancy_private.checked_hold_length(interval);
DROP FUNCTION tenancy_private.checked_amount(numeric);

\ir ../../notes/done.psql
COMMIT;
