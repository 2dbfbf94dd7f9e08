-- Deploy pg-tenancy:kernel/wallets_policies to pg
-- requires: kernel/wallets_functions
-- requires: kernel/protection

\set change kernel/wallets_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise(
    'tenancy.wallets', 'tenancy.transfers', 'tenancy.ledger_entries', 'tenancy.wallet_holds',
    'tenancy.credit_grants', 'tenancy.credit_grant_uses', 'tenancy.unpaid_amounts',
    'tenancy.spending_limits', 'tenancy.ledger_checkpoints'
);

\ir ../../policies/wallets.r1.sql

\ir ../../notes/done.psql
COMMIT;
