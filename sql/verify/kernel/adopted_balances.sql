-- Verify pg-tenancy:kernel/adopted_balances on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.take_balance(uuid, numeric)',
    'tenancy_private.take_written_balance()',
    'tenancy_private.write_balance()'
]);

-- Triggers in both directions, or none.
DO $$
DECLARE
    found CONSTANT text := (
        SELECT string_agg(t.tgname, ', ' ORDER BY t.tgname)
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgenabled <> 'D' AND t.tgfoid IN (
                'tenancy_private.take_written_balance()'::regprocedure, 'tenancy_private.write_balance()'::regprocedure
            )
    );
BEGIN
    IF found <> ALL(ARRAY[
        'organizations_tenancy_balance_insert, organizations_tenancy_balance_update, wallets_balance',
        'users_tenancy_balance_insert, users_tenancy_balance_update, wallets_balance',
        'organizations_tenancy_balance_insert, organizations_tenancy_balance_update, users_tenancy_balance_insert, '
        'users_tenancy_balance_update, wallets_balance'
    ]) THEN
        RAISE EXCEPTION 'wallets and the columns of balances are not kept in step by: %', found;
    END IF;
END;
$$;

ROLLBACK;
