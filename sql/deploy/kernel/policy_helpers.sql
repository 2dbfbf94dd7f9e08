-- Deploy pg-tenancy:kernel/policy_helpers to pg
-- requires: kernel/contracts

\set change kernel/policy_helpers
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- What of it was on before.
CREATE TABLE tenancy_private.closed_tables (
    table_name        regclass NOT NULL,
    row_security      boolean  NOT NULL,
    is_forced         boolean  NOT NULL,
    public_privileges text,
    CONSTRAINT closed_tables_pkey PRIMARY KEY (table_name)
);
COMMENT ON TABLE tenancy_private.closed_tables IS
'The tables that close_table() closed, whether row-level security was enabled and forced there before, and what PUBLIC '
'was granted.';

-- Closes a table: from here on nobody reads or writes a row without a policy,
-- the table's owner included. A table that has policies of its own is refused,
-- because the contract files replace all policies of a table, and policies
-- that somebody wrote for a reason must not vanish without a word. An index that
-- does not know whose row it points to stays, with a warning.
CREATE PROCEDURE tenancy_private.close_table(table_name regclass, workspace_column name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    foreign_policies CONSTANT text := (
        SELECT string_agg(p.polname, ', ' ORDER BY p.polname)
        FROM pg_policy AS p
        WHERE p.polrelid = table_name
    );
    telling_indexes CONSTANT text := (
        SELECT string_agg(i.indexrelid::regclass::text, ', ' ORDER BY i.indexrelid::regclass::text)
        FROM pg_index AS i
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid
        INNER JOIN pg_am AS am ON c.relam = am.oid
        WHERE i.indrelid = table_name
            AND am.amname IN ('btree', 'hash')
            -- Nothing is to be done about a key of random ids.
            AND NOT (i.indisprimary AND i.indnkeyatts = 1 AND EXISTS (
                SELECT FROM pg_attribute AS a
                WHERE a.attrelid = table_name AND a.attnum = i.indkey[0] AND a.atttypid = 'uuid'::regtype
            ))
            AND NOT EXISTS (
                SELECT FROM pg_attribute AS a
                WHERE a.attrelid = table_name
                    AND a.attname = workspace_column
                    AND a.attnum = ANY((i.indkey::smallint[])[0:i.indnkeyatts - 1])
            )
    );
BEGIN
    IF EXISTS (SELECT FROM tenancy_private.closed_tables AS t WHERE t.table_name = close_table.table_name) THEN
        RETURN;
    END IF;
    IF telling_indexes IS NOT NULL THEN
        RAISE WARNING 'EXPLAIN ANALYZE tells a tenant which values others have in: %', telling_indexes
        USING HINT = 'It counts the hidden rows that an index leads to. "What row-level security does not hide" in '
        'docs/dba.md says what to do about each.';
    END IF;
    IF foreign_policies IS NOT NULL THEN
        RAISE EXCEPTION 'table % has row-level security policies of its own: %', table_name, foreign_policies
        USING ERRCODE = '55000',
        CONSTRAINT = 'table_has_policies',
        HINT = 'Save their definitions, drop them, and try again: pg-tenancy decides who sees which rows of this table.';
    END IF;
    INSERT INTO tenancy_private.closed_tables (table_name, row_security, is_forced, public_privileges)
    SELECT c.oid, c.relrowsecurity, c.relforcerowsecurity, (
        SELECT p.definition FROM tenancy_private.contract_of(c.oid) AS p WHERE p.kind = 'privileges' AND p.name = 'public'
    )
    FROM pg_class AS c
    WHERE c.oid = close_table.table_name
    ON CONFLICT DO NOTHING;
    -- What everybody may, tenants may too: columns of their own rows that the contract leaves out.
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', table_name);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', table_name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.close_table(regclass, name) FROM public;
COMMENT ON PROCEDURE tenancy_private.close_table (regclass, name) IS
'Enables and forces row-level security on a table that has no policies yet.';

-- The way back of close_table: the table is as open as its grants say, and as it was.
CREATE PROCEDURE tenancy_private.reopen_table(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was record;
BEGIN
    CALL tenancy.drop_policies(table_name);
    DELETE FROM tenancy_private.closed_tables AS t
    WHERE t.table_name = reopen_table.table_name
    RETURNING t.row_security, t.is_forced, t.public_privileges INTO was;
    IF was.is_forced IS NOT TRUE THEN
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', table_name);
    END IF;
    IF was.row_security IS NOT TRUE THEN
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', table_name);
    END IF;
    EXECUTE format(
        'REVOKE ALL ON %s FROM tenancy_credentialed, tenancy_auditor', table_name
    );
    IF was.public_privileges IS NOT NULL THEN
        EXECUTE format('GRANT %s ON %s TO PUBLIC', was.public_privileges, table_name);
    END IF;
    CALL tenancy_private.forget_contract(table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.reopen_table(regclass) FROM public;
COMMENT ON PROCEDURE tenancy_private.reopen_table (regclass) IS
'Drops the policies of a table, switches its row-level security off, if it was, and takes the application roles'' '
'privileges.';

-- The ones below serve the verify scripts: each compares a whole answer and
-- raises with the name of what differs.
--
-- A procedure that commits cannot pin its search_path, and one that writes rows of
-- the application leaves its triggers theirs: those are never SECURITY DEFINER.
CREATE PROCEDURE tenancy_private.verify_routines(
    routines text[], callers text[] DEFAULT '{}', pinned boolean DEFAULT true
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    details record;
    sorted CONSTANT text[] := ARRAY(SELECT c FROM unnest(callers) AS c ORDER BY c COLLATE "C");
    found text[];
BEGIN
    FOR details IN
        -- The cast raises, with its name, for a routine that does not exist.
        SELECT p.*
        FROM unnest(routines) AS r (signature)
        INNER JOIN pg_proc AS p ON r.signature::regprocedure = p.oid
    LOOP
        IF pg_get_userbyid(details.proowner) <> 'tenancy_owner' THEN
            RAISE EXCEPTION '% belongs to %, wanted tenancy_owner',
                details.oid::regprocedure, pg_get_userbyid(details.proowner);
        END IF;
        IF pinned
            AND details.prosqlbody IS NULL
            AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY(details.proconfig), false)
        THEN
            RAISE EXCEPTION '% does not pin its search_path', details.oid::regprocedure;
        END IF;
        IF NOT pinned AND (details.prosecdef OR details.proconfig IS NOT NULL) THEN
            RAISE EXCEPTION '% must run as its caller, with no setting of its own', details.oid::regprocedure;
        END IF;
        found := ARRAY(
            SELECT CASE acl.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(acl.grantee)::text END
                COLLATE "C" AS grantee
            FROM aclexplode(coalesce(details.proacl, acldefault('f', details.proowner))) AS acl
            WHERE acl.grantee <> details.proowner
            ORDER BY grantee
        );
        IF found IS DISTINCT FROM sorted THEN
            RAISE EXCEPTION '% may be called by %, wanted %', details.oid::regprocedure, found, sorted;
        END IF;
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_routines(text[], text[], boolean) FROM public;

-- What tenancy_writer owns: functions that ask who they run as, before anything else.
CREATE PROCEDURE tenancy_private.verify_writers(routines text[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong CONSTANT text := (
        SELECT string_agg(p.oid::regprocedure::text, ', ')
        FROM unnest(routines) AS r (signature)
        INNER JOIN pg_proc AS p ON r.signature::regprocedure = p.oid
        WHERE NOT p.prosecdef
            OR pg_get_userbyid(p.proowner) <> 'tenancy_writer'
            OR p.prosrc !~ 'IF current_user <> ''tenancy_writer'' THEN'
            OR NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, public, pg_temp'], false)
            OR EXISTS (
                SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
                WHERE acl.grantee NOT IN (p.proowner, 'tenancy_owner'::regrole)
            )
    );
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'these functions that write tables of the application are not as they should be: %', wrong;
    END IF;
    IF has_schema_privilege('tenancy_writer', 'tenancy_private', 'CREATE')
        OR has_schema_privilege('tenancy_writer', 'tenancy', 'CREATE')
        OR pg_has_role('tenancy_writer', 'tenancy_owner', 'MEMBER')
    THEN
        RAISE EXCEPTION 'tenancy_writer may do more than write';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_writers(text[]) FROM public;

-- A table of tenants: its key column, what keeps it true, and no key of ours
-- that is not validated.
CREATE PROCEDURE tenancy_private.verify_tenant_table(table_name regclass, indexes text[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation CONSTANT name := (SELECT c.relname FROM pg_class AS c WHERE c.oid = table_name);
    missing text;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND a.attname = 'workspace_id' AND a.attnotnull AND a.atthasdef
    ) THEN
        RAISE EXCEPTION '%.workspace_id is missing, may be NULL, or has no default', table_name;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_trigger AS t
        INNER JOIN pg_proc AS p ON t.tgfoid = p.oid
        WHERE t.tgrelid = table_name AND p.proname = 'set_workspace' AND t.tgenabled <> 'D'
    ) THEN
        RAISE EXCEPTION 'nothing sets %.workspace_id for who names the organization', table_name;
    END IF;
    IF EXISTS (
        SELECT FROM pg_trigger AS t WHERE t.tgrelid = table_name AND t.tgname = relation || '_tenancy_keep_ownership'
    ) THEN
        RAISE EXCEPTION 'a revert of % has stopped halfway', table_name
        USING HINT = format('Revert %s_workspaces, then deploy again.', relation);
    END IF;
    SELECT string_agg(w.name, ', ') INTO missing
    FROM unnest(ARRAY[relation || '_tenancy_workspace_check', relation || '_tenancy_workspace_id_fkey']) AS w (name)
    WHERE NOT EXISTS (
        SELECT FROM pg_constraint AS c
        WHERE c.conrelid = table_name AND c.conname = w.name AND c.convalidated
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'of % these constraints are missing or not validated: %', table_name, missing;
    END IF;
    SELECT string_agg(w.name, ', ') INTO missing
    FROM unnest(indexes) AS w (name)
    WHERE NOT EXISTS (
        SELECT FROM pg_index AS i
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid
        WHERE i.indrelid = table_name AND c.relname IN (w.name, w.name || '1') AND i.indisvalid
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'of % these indexes are missing or not valid: %', table_name, missing
        USING HINT = 'Deploying again builds them, after a revert of the change.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_tenant_table(regclass, text[]) FROM public;

CALL tenancy_private.close_own_table('tenancy_private.closed_tables');

\ir ../../notes/done.psql
COMMIT;
