-- Revert pg-tenancy:kernel/adopted_balances_backfill from pg

\set change kernel/adopted_balances_backfill
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

-- Nothing to do: the wallets are dropped with their table, in the revert of wallets.
BEGIN;

\ir ../../notes/done.psql
COMMIT;
