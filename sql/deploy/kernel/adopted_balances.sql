-- Deploy pg-tenancy:kernel/adopted_balances to pg
-- requires: kernel/wallets_movements

\set change kernel/adopted_balances
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

-- An application may have its own balances, in wallet_balance_eur of users and organizations.
-- Until it stops writing them, both sides are synchronized: a balance that it writes becomes a
-- ledger entry, and an entry changes the balance, truncated to cents.

DO $$
DECLARE
    adopted record;
    wrong bigint;
BEGIN
    FOR adopted IN
        SELECT a.attrelid::regclass AS name, format_type(a.atttypid, a.atttypmod) AS type
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid IN ('public.users'::regclass, 'public.organizations'::regclass)
            AND a.attname = 'wallet_balance_eur' AND NOT a.attisdropped
    LOOP
        IF adopted.type !~ '^numeric' THEN
            RAISE EXCEPTION '%.wallet_balance_eur is %, wanted numeric', adopted.name, adopted.type
            USING ERRCODE = '42804',
            CONSTRAINT = 'balance_not_numeric',
            HINT = 'Change its type, or its name if it is not a balance.';
        END IF;
        EXECUTE format(
            'SELECT count(*) FROM %s AS t WHERE NOT abs(t.wallet_balance_eur) < 100000000000000', adopted.name
        ) INTO wrong;
        IF wrong > 0 THEN
            RAISE EXCEPTION '% balances in %.wallet_balance_eur are not valid amounts', wrong, adopted.name
            USING ERRCODE = '22023',
            CONSTRAINT = 'amount_invalid',
            DETAIL = format(
                'SELECT t.id FROM %s AS t WHERE NOT abs(t.wallet_balance_eur) < 100000000000000;', adopted.name
            ),
            HINT = 'The query in the detail finds them. Correct them, then deploy again.';
        END IF;
    END LOOP;
END;
$$;

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Makes the wallet agree with its column, whose row the caller has locked. The first time, the
-- column's balance is put into the wallet; after that the two are equal, and a difference was
-- written by the application.
CREATE FUNCTION tenancy_private.take_balance(workspace_id uuid, balance numeric) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wallet tenancy.wallets;
    change numeric := round(coalesce(balance, 0), 6);
    made_at CONSTANT timestamptz := clock_timestamp();
    kind text;
    reference text;
BEGIN
    IF NOT abs(change) < 100000000000000 THEN
        PERFORM tenancy_private.checked_amount(change);
    END IF;
    -- A deleted organization has a balance too.
    INSERT INTO tenancy.wallets (workspace_id) VALUES (take_balance.workspace_id)
    ON CONFLICT ON CONSTRAINT wallets_pkey DO NOTHING;
    SELECT w.* INTO wallet FROM tenancy.wallets AS w
    WHERE w.workspace_id = take_balance.workspace_id
    FOR NO KEY UPDATE;
    IF wallet.adoption <> 'none' THEN
        change := change - trunc(wallet.balance, 2);
    END IF;
    kind := CASE wallet.adoption WHEN 'none' THEN 'opening' ELSE 'adopted' END;
    reference := CASE wallet.adoption WHEN 'none' THEN 'opening' ELSE gen_random_uuid()::text END;
    IF change <> 0 OR wallet.adoption <> 'in_step' THEN
        -- The application knows no limit, and its writes must not fail because of one.
        UPDATE tenancy.wallets AS w
        SET adoption = 'in_step', overdraft = greatest(w.overdraft, -(w.balance + change))
        WHERE w.workspace_id = take_balance.workspace_id;
    END IF;
    IF change <> 0 THEN
        PERFORM tenancy_private.book_outside(
            workspace_id, change, kind, reference, sha256(numeric_send(round(change, 6))), made_at
        );
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.take_balance(uuid, numeric) FROM public;

CREATE FUNCTION tenancy_private.take_written_balance() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.take_balance(new.id, new.wallet_balance_eur);
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.take_written_balance() FROM public;

-- Writes only where it differs: what the application has just written does not.
CREATE FUNCTION tenancy_private.write_balance() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    adopted regclass;
    written numeric;
    found_rows bigint;
BEGIN
    FOREACH adopted IN ARRAY tg_argv::regclass[] LOOP
        EXECUTE format('SELECT t.wallet_balance_eur FROM %s AS t WHERE t.id = $1', adopted)
        INTO written USING new.workspace_id;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        IF found_rows > 0 AND coalesce(written, 0) <> trunc(new.balance, 2) THEN
            PERFORM tenancy_private.update_rows(
                adopted, jsonb_build_object('id', new.workspace_id),
                jsonb_build_object('wallet_balance_eur', trunc(new.balance, 2))
            );
        END IF;
    END LOOP;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.write_balance() FROM public;

RESET ROLE;

CALL tenancy_private.patiently(
    ARRAY['public.users', 'public.organizations', 'tenancy.wallets']::regclass[],
    'SHARE ROW EXCLUSIVE', 'SELECT'
);

DO $$
DECLARE
    adopted text;
    tables text[] := ARRAY(
        SELECT n.nspname || '.' || c.relname
        FROM pg_catalog.pg_attribute AS a
        INNER JOIN pg_catalog.pg_class AS c ON a.attrelid = c.oid
        INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
        WHERE a.attrelid IN ('public.users'::regclass, 'public.organizations'::regclass)
            AND a.attname = 'wallet_balance_eur' AND NOT a.attisdropped
        ORDER BY c.relname DESC
    );
BEGIN
    FOREACH adopted IN ARRAY tables LOOP
        EXECUTE format(
            'CREATE TRIGGER %I AFTER INSERT ON %s FOR EACH ROW '
            'WHEN (new.wallet_balance_eur <> 0) EXECUTE FUNCTION tenancy_private.take_written_balance()',
            split_part(adopted, '.', 2) || '_tenancy_balance_insert', adopted
        );
        EXECUTE format(
            'CREATE TRIGGER %I AFTER UPDATE OF wallet_balance_eur ON %s FOR EACH ROW '
            'WHEN (old.wallet_balance_eur IS DISTINCT FROM new.wallet_balance_eur) '
            'EXECUTE FUNCTION tenancy_private.take_written_balance()',
            split_part(adopted, '.', 2) || '_tenancy_balance_update', adopted
        );
        CALL tenancy_private.record_triggers(
            adopted::regclass, (split_part(adopted, '.', 2) || '_tenancy_balance_insert')::name,
            (split_part(adopted, '.', 2) || '_tenancy_balance_update')::name
        );
    END LOOP;
    IF tables <> '{}' THEN
        EXECUTE format(
            'CREATE TRIGGER wallets_balance AFTER UPDATE OF balance ON tenancy.wallets FOR EACH ROW '
            'WHEN (trunc(old.balance, 2) <> trunc(new.balance, 2)) '
            'EXECUTE FUNCTION tenancy_private.write_balance(%s)',
            (SELECT string_agg(quote_literal(t.name), ', ') FROM unnest(tables) AS t (name))
        );
        CALL tenancy_private.record_triggers('tenancy.wallets', 'wallets_balance');
        -- To write both, write the column's row first, as the application does.
        EXECUTE format(
            $function$
CREATE OR REPLACE FUNCTION tenancy_private.lock_adopted_balance(workspace_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    written record;
BEGIN
%s    IF NOT FOUND OR EXISTS (
        SELECT FROM tenancy.wallets AS w
        WHERE w.workspace_id = lock_adopted_balance.workspace_id AND w.adoption = 'in_step'
    ) THEN
        RETURN;
    END IF;
    PERFORM tenancy_private.take_balance(workspace_id, written.wallet_balance_eur);
END;
$body$;
            $function$,
            (
                SELECT string_agg(
                    CASE WHEN t.place = 1 THEN '' ELSE '    IF NOT FOUND THEN' || E'\n' END
                    || '    SELECT t.wallet_balance_eur INTO written FROM ' || t.name || ' AS t' || E'\n'
                    || '    WHERE t.id = lock_adopted_balance.workspace_id FOR NO KEY UPDATE;' || E'\n'
                    || CASE WHEN t.place = 1 THEN '' ELSE '    END IF;' || E'\n' END,
                    '' ORDER BY t.place
                )
                FROM unnest(tables) WITH ORDINALITY AS t (name, place)
            )
        );
    END IF;
END;
$$;

\ir ../../notes/done.psql
COMMIT;
