-- Deploy pg-tenancy:kernel/adopted_balances_backfill to pg
-- requires: kernel/adopted_balances

\set change kernel/adopted_balances_backfill
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Wallets for existing balances, and for those that a revert kept. A concurrent write of a
-- balance creates its own wallet.
SET ROLE tenancy_owner;

SELECT format(
    'CALL tenancy_private.in_batches(%L, %L, %L, %L, %L, %L)',
    :'change', c.oid::regclass, c.oid::regclass, c.oid::regclass,
    'coalesce((SELECT w.adoption FROM tenancy.wallets AS w WHERE w.workspace_id = t.id), '
    'CASE WHEN t.wallet_balance_eur <> 0 THEN ''none'' ELSE ''in_step'' END) <> ''in_step''',
    format(
        'SELECT tenancy_private.lock_adopted_balance(t.id) '
        'FROM (SELECT u.id FROM %s AS u WHERE u.id = ANY($1) ORDER BY u.id) AS t', c.oid::regclass
    )
)
FROM pg_catalog.pg_class AS c
WHERE c.oid IN ('public.users'::regclass, 'public.organizations'::regclass)
    AND EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = c.oid
            AND t.tgfoid = 'tenancy_private.take_written_balance()'::regprocedure
    )
ORDER BY c.relname
\gexec

RESET ROLE;

\ir ../../notes/done.psql
