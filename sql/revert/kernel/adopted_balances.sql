-- Revert pg-tenancy:kernel/adopted_balances from pg

\set change kernel/adopted_balances
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.users', 'public.organizations', 'tenancy.wallets']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

-- The columns have the balances of the wallets, except fractions of a cent.
DO $$
DECLARE
    added record;
BEGIN
    FOR added IN
        SELECT t.tgrelid::regclass AS table_name, t.tgname
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgfoid IN (
                'tenancy_private.take_written_balance()'::regprocedure, 'tenancy_private.write_balance()'::regprocedure
            )
        ORDER BY t.tgname
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', added.tgname, added.table_name);
        CALL tenancy_private.forget_triggers(added.table_name, added.tgname);
    END LOOP;
END;
$$;

SET LOCAL ROLE tenancy_owner;

CREATE OR REPLACE FUNCTION tenancy_private.lock_adopted_balance(workspace_id uuid) RETURNS void
LANGUAGE sql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
RETURN NULL;

-- Later writes of the application are adopted by the next deploy.
UPDATE tenancy.wallets AS w SET adoption = 'left' WHERE w.adoption = 'in_step';

DROP FUNCTION tenancy_private.write_balance();
DROP FUNCTION tenancy_private.take_written_balance();
DROP FUNCTION tenancy_private.take_balance(uuid, numeric);

RESET ROLE;

\ir ../../notes/done.psql
COMMIT;
