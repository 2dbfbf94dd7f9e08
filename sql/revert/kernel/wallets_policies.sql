-- Revert pg-tenancy:kernel/wallets_policies from pg

\set change kernel/wallets_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise(
    'tenancy.wallets', 'tenancy.transfers', 'tenancy.ledger_entries', 'tenancy.wallet_holds',
    'tenancy.credit_grants', 'tenancy.credit_grant_uses', 'tenancy.unpaid_amounts',
    'tenancy.spending_limits', 'tenancy.ledger_checkpoints'
);

-- Closed again, as the change wallets left them.
CALL tenancy.unprotect('tenancy.wallets');
CALL tenancy.unprotect('tenancy.transfers');
CALL tenancy.unprotect('tenancy.ledger_entries');
CALL tenancy.unprotect('tenancy.wallet_holds');
CALL tenancy.unprotect('tenancy.credit_grants');
CALL tenancy.unprotect('tenancy.credit_grant_uses');
CALL tenancy.unprotect('tenancy.unpaid_amounts');
CALL tenancy.unprotect('tenancy.spending_limits');
CALL tenancy.unprotect('tenancy.ledger_checkpoints');

\ir ../../notes/done.psql
COMMIT;
