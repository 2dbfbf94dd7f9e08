-- Access to wallets and the ledger, revision 1.
--
-- The workspace's own money, for the roles that hold finops.view. A movement belongs to the
-- payer: the payee sees its own entry, but not the payer's reference. Written by functions
-- only.
CALL tenancy.protect('tenancy.wallets');
CALL tenancy.allow('tenancy.wallets', 'SELECT', 'finops.view', columns =>
    'workspace_id, currency, balance, held, granted, unpaid, overdraft, version, chain, '
    'next_expiry, is_limited, is_deferred, adoption');
GRANT SELECT ON tenancy.wallets TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.wallets');
CALL tenancy.protect('tenancy.transfers');
CALL tenancy.allow('tenancy.transfers', 'SELECT', 'finops.view', columns =>
    'workspace_id, kind, reference, id, payee_id, amount, fingerprint, occurred_at, created_at, '
    'api_key_id, user_id, reverses');
GRANT SELECT ON tenancy.transfers TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.transfers');
CALL tenancy.protect('tenancy.ledger_entries');
CALL tenancy.allow('tenancy.ledger_entries', 'SELECT', 'finops.view', columns =>
    'workspace_id, version, account, transfer_id, kind, amount, balance_after, occurred_at, '
    'created_at, digest, chain');
GRANT SELECT ON tenancy.ledger_entries TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.ledger_entries');
CALL tenancy.protect('tenancy.wallet_holds');
CALL tenancy.allow('tenancy.wallet_holds', 'SELECT', 'finops.view', columns =>
    'workspace_id, id, amount, reference, api_key_id, user_id, created_at, expires_at, is_freed');
GRANT SELECT ON tenancy.wallet_holds TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.wallet_holds');
CALL tenancy.protect('tenancy.credit_grants');
CALL tenancy.allow('tenancy.credit_grants', 'SELECT', 'finops.view', columns =>
    'workspace_id, id, amount, remaining, priority, created_at, expires_at');
GRANT SELECT ON tenancy.credit_grants TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.credit_grants');
CALL tenancy.protect('tenancy.credit_grant_uses');
CALL tenancy.allow('tenancy.credit_grant_uses', 'SELECT', 'finops.view', columns =>
    'workspace_id, transfer_id, grant_id, amount');
GRANT SELECT ON tenancy.credit_grant_uses TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.credit_grant_uses');
CALL tenancy.protect('tenancy.unpaid_amounts');
CALL tenancy.allow('tenancy.unpaid_amounts', 'SELECT', 'finops.view', columns =>
    'workspace_id, transfer_id, payee_id, amount, remaining, payments, created_at');
GRANT SELECT ON tenancy.unpaid_amounts TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.unpaid_amounts');
CALL tenancy.protect('tenancy.spending_limits');
CALL tenancy.allow('tenancy.spending_limits', 'SELECT', 'finops.view', columns =>
    'workspace_id, id, api_key_id, user_id, amount, spent, spent_in');
GRANT SELECT ON tenancy.spending_limits TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.spending_limits');
CALL tenancy.protect('tenancy.ledger_checkpoints');
CALL tenancy.allow('tenancy.ledger_checkpoints', 'SELECT', 'finops.view', columns =>
    'workspace_id, version, balance, chain, created_at');
GRANT SELECT ON tenancy.ledger_checkpoints TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.ledger_checkpoints');
