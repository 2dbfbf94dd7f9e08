-- Revert pg-tenancy:kernel/wallets_movements from pg

\set change kernel/wallets_movements
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy_private.reverse_transfer(uuid, text);
DROP FUNCTION tenancy_private.lock_with_creditors(uuid);
DROP FUNCTION tenancy_private.settle_unpaid(uuid, uuid[]);
DROP FUNCTION tenancy_private.release_hold(uuid, uuid);
DROP FUNCTION tenancy_private.hold_money(uuid, numeric, interval, text, uuid, uuid);
DROP FUNCTION tenancy_private.move_money_batch(
    uuid, uuid, text, text[], bytea[], numeric[], timestamptz[], uuid, uuid
);
DROP FUNCTION tenancy_private.move_money(
    uuid, uuid, numeric, text, text, bytea, timestamptz, uuid, uuid, uuid
);
DROP FUNCTION tenancy_private.move_between(
    uuid, uuid, numeric, uuid, text, timestamptz, timestamptz, bytea, uuid, boolean, uuid, uuid
);
DROP FUNCTION tenancy_private.require_one_currency(text, text);

\ir ../../notes/done.psql
COMMIT;
