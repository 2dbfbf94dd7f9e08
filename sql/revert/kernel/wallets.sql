-- Revert pg-tenancy:kernel/wallets from pg

\set change kernel/wallets
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(ARRAY['tenancy.wallets']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT');

-- The whole ledger or nothing: a part proves nothing.
DO $$
DECLARE
    kept text;
    tables CONSTANT text[] := ARRAY[
        'tenancy.wallets', 'tenancy.transfers', 'tenancy.ledger_entries', 'tenancy.wallet_holds',
        'tenancy.credit_grant_uses', 'tenancy.credit_grants', 'tenancy.unpaid_amounts', 'tenancy.spending_limits',
        'tenancy.ledger_checkpoints', 'tenancy_private.pending_credits'
    ];
    is_used CONSTANT boolean := EXISTS (SELECT FROM tenancy.wallets)
        OR EXISTS (SELECT FROM tenancy.transfers) OR EXISTS (SELECT FROM tenancy.spending_limits);
BEGIN
    FOREACH kept IN ARRAY tables LOOP
        IF is_used THEN
            CALL tenancy_private.archive_table(kept::regclass);
        END IF;
        CALL tenancy_private.forget_contract(kept::regclass);
    END LOOP;
END;
$$;

DROP TABLE tenancy_private.pending_credits;
DROP TABLE tenancy.ledger_checkpoints;
DROP TABLE tenancy.spending_limits;
DROP TABLE tenancy.unpaid_amounts;
DROP TABLE tenancy.credit_grant_uses;
DROP TABLE tenancy.credit_grants;
DROP TABLE tenancy.wallet_holds;
DROP TABLE tenancy.ledger_entries;
DROP TABLE tenancy.transfers;
DROP TABLE tenancy.wallets;
DROP FUNCTION tenancy_private.refuse_ledger_change();

-- In the platform's plan the permission belongs to the platform.
DELETE FROM tenancy.permissions AS p
WHERE p.permission = 'finops.view'
    AND NOT EXISTS (SELECT FROM tenancy.permissions AS o WHERE o.permission = 'finops.price');

\ir ../../notes/done.psql
COMMIT;
