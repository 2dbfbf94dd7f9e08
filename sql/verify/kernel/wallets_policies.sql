-- Verify pg-tenancy:kernel/wallets_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('tenancy.wallets');
CALL tenancy_private.verify_protected('tenancy.transfers');
CALL tenancy_private.verify_protected('tenancy.ledger_entries');
CALL tenancy_private.verify_protected('tenancy.wallet_holds');
CALL tenancy_private.verify_protected('tenancy.credit_grants');
CALL tenancy_private.verify_protected('tenancy.credit_grant_uses');
CALL tenancy_private.verify_protected('tenancy.unpaid_amounts');
CALL tenancy_private.verify_protected('tenancy.spending_limits');
CALL tenancy_private.verify_protected('tenancy.ledger_checkpoints');

ROLLBACK;
