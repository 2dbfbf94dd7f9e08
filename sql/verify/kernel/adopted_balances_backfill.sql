-- Verify pg-tenancy:kernel/adopted_balances_backfill on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    adopted regclass;
    wrong bigint;
BEGIN
    FOR adopted IN
        SELECT DISTINCT t.tgrelid::regclass FROM pg_catalog.pg_trigger AS t
        WHERE t.tgfoid = 'tenancy_private.take_written_balance()'::regprocedure
    LOOP
        EXECUTE format(
            'SELECT count(*) FROM %s AS t LEFT JOIN tenancy.wallets AS w ON t.id = w.workspace_id '
            'WHERE coalesce(t.wallet_balance_eur, 0) <> trunc(coalesce(w.balance, 0), 2)', adopted
        ) INTO wrong;
        IF wrong > 0 THEN
            RAISE EXCEPTION '% balances of % differ from their wallets', wrong, adopted;
        END IF;
    END LOOP;
END;
$$;

ROLLBACK;
