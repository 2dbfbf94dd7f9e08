-- Revert pg-tenancy:kernel/wallets_functions from pg

\set change kernel/wallets_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.take_checkpoint();
DROP FUNCTION tenancy.reconcile(uuid, timestamptz);
DROP FUNCTION tenancy.set_plan(uuid, text);
DROP FUNCTION tenancy.set_spending_limit(uuid, numeric, uuid, uuid);
DROP FUNCTION tenancy.set_deferred_credit(uuid, boolean);
DROP FUNCTION tenancy.set_currency(uuid, text);
DROP FUNCTION tenancy.set_overdraft(uuid, numeric);
DROP FUNCTION tenancy.fold_credits(uuid);
DROP FUNCTION tenancy.settle(uuid);
DROP FUNCTION tenancy.release_amount(uuid);
DROP FUNCTION tenancy.hold_amount(uuid, numeric, interval, text, uuid, uuid);
DROP FUNCTION tenancy.refund(uuid, text);
DROP FUNCTION tenancy.charge(uuid, uuid, numeric, text, text, timestamptz, uuid, uuid, uuid);
DROP FUNCTION tenancy.grant_credit(uuid, numeric, text, timestamptz, integer);
DROP FUNCTION tenancy.pay_out(uuid, numeric, text);
DROP FUNCTION tenancy.top_up(uuid, numeric, text);
DROP FUNCTION tenancy_private.require_positive(numeric);
DROP FUNCTION tenancy.verify_statement(bigint, bytea);
DROP FUNCTION tenancy_private.ledger_problems(uuid, timestamptz);
DROP FUNCTION tenancy_private.entries_to_prove(uuid, timestamptz);
DROP FUNCTION tenancy.statement(timestamptz, timestamptz);
DROP FUNCTION tenancy.wallet();

\ir ../../notes/done.psql
COMMIT;
