-- Deploy pg-tenancy:kernel/policy_helpers to pg
-- requires: kernel/contracts

\set change kernel/policy_helpers
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The settings before a table was closed.
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

-- Ways in which rows of a table stay visible to roles to which its policies apply, or that are
-- not services: views with their owner's rights, functions with their owner's rights,
-- partitions and children under their own names. A function is found by its text, which names
-- the table or a view of it, after FROM or the like.
CREATE FUNCTION tenancy_private.ways_around(table_name regclass)
RETURNS TABLE (object text, open_to text, remedy text)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE readers AS (
    SELECT ways_around.table_name::oid AS oid
    UNION
    SELECT r.ev_class
    FROM readers AS f
    INNER JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = f.oid AND d.deptype = 'n'
    INNER JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    INNER JOIN pg_class AS c ON r.ev_class = c.oid AND c.relkind IN ('v', 'm')
),

children AS (
    SELECT i.inhrelid AS oid FROM pg_inherits AS i WHERE i.inhparent = ways_around.table_name
    UNION
    SELECT i.inhrelid FROM children AS p INNER JOIN pg_inherits AS i ON i.inhparent = p.oid
),

-- Services see everything anyway, and so does the table's owner until its cut-over.
outsiders AS (
    SELECT 0::oid AS oid, 'PUBLIC' AS name
    UNION ALL
    SELECT r.oid, quote_ident(r.rolname)
    FROM pg_roles AS r
    WHERE NOT r.rolsuper AND NOT r.rolbypassrls AND r.rolname !~ '^pg_'
        AND r.rolname NOT IN (
            'tenancy_owner', 'tenancy_writer', 'tenancy_service', 'tenancy_legacy', 'tenancy_auditor'
        )
        AND NOT pg_has_role(r.oid, 'tenancy_service', 'USAGE') AND NOT pg_has_role(r.oid, 'tenancy_legacy', 'USAGE')
),

ways AS (
    SELECT c.oid, 'pg_class'::regclass AS class_id, c.relowner AS owner, c.oid::regclass::text AS name,
        CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'table ' END AS kind,
        CASE
            WHEN c.relkind = 'v' THEN format('ALTER VIEW %s SET (security_invoker = true);', c.oid::regclass)
            ELSE format('REVOKE ALL ON %s FROM', c.oid::regclass)
        END AS remedy
    FROM pg_class AS c
    WHERE (
        c.oid IN (SELECT r.oid FROM readers AS r) AND c.relkind IN ('v', 'm')
        AND NOT coalesce(c.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)
    ) OR c.oid IN (SELECT k.oid FROM children AS k) AND NOT c.relrowsecurity
    UNION ALL
    SELECT p.oid, 'pg_proc'::regclass, p.proowner, p.oid::regprocedure::text, 'function ',
        format('REVOKE EXECUTE ON ROUTINE %s FROM', p.oid::regprocedure)
    FROM pg_proc AS p
    WHERE p.prosecdef
        -- A condition on this table alone, so that the texts of pg-tenancy's own functions are
        -- not searched.
        AND p.pronamespace <> ALL(ARRAY(
            SELECT n.oid FROM pg_namespace AS n
            WHERE n.nspname IN ('pg_catalog', 'information_schema', 'tenancy', 'tenancy_private', 'tenancy_archive')
        ))
        AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
        AND EXISTS (
            SELECT FROM readers AS r
            INNER JOIN pg_class AS c ON r.oid = c.oid
            INNER JOIN pg_namespace AS s ON c.relnamespace = s.oid
            WHERE strpos(lower(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)), lower(c.relname)) > 0
                AND coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) ~* format(
                    '\m(from|join|using|into|update|only)\s+(only\s+)?\(*("?%s"?\s*\.\s*)?"?%s"?(?![\w$])',
                    regexp_replace(s.nspname, '(\W)', '\\\1', 'g'), regexp_replace(c.relname, '(\W)', '\\\1', 'g')
                )
        )
),

open_ways AS (
    SELECT w.oid, w.class_id, w.owner, w.kind, w.name, w.remedy, string_agg(DISTINCT o.name, ', ' ORDER BY o.name) AS grantees
    FROM ways AS w
    CROSS JOIN LATERAL (
        SELECT x.grantee FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS x
        WHERE w.class_id = 'pg_class'::regclass AND c.oid = w.oid
        UNION ALL
        SELECT x.grantee FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS x
        WHERE w.class_id = 'pg_class'::regclass AND a.attrelid = w.oid
        UNION ALL
        SELECT x.grantee FROM pg_proc AS p
        CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x
        WHERE w.class_id = 'pg_proc'::regclass AND p.oid = w.oid
    ) AS g
    INNER JOIN outsiders AS o ON g.grantee = o.oid AND g.grantee <> w.owner
    WHERE NOT EXISTS (
        SELECT FROM pg_depend AS d WHERE d.classid = w.class_id AND d.objid = w.oid AND d.deptype = 'e'
    )
    GROUP BY w.oid, w.class_id, w.owner, w.kind, w.name, w.remedy
)

SELECT
    w.kind || w.name,
    w.grantees,
    CASE WHEN w.remedy LIKE '%;' THEN w.remedy ELSE format('%s %s;', w.remedy, w.grantees) END
FROM open_ways AS w
INNER JOIN pg_roles AS r ON w.owner = r.oid
-- A view shows nobody the rows that policies hide from its owner. A materialized view contains
-- all rows, and a partition's policies are its own.
WHERE w.kind IN ('materialized view ', 'table ')
    OR r.rolsuper OR r.rolbypassrls
    OR pg_has_role(r.oid, 'tenancy_service', 'USAGE') OR pg_has_role(r.oid, 'tenancy_legacy', 'USAGE')
    OR r.oid = (SELECT c.relowner FROM pg_class AS c WHERE c.oid = ways_around.table_name)
ORDER BY 1;
$$;
REVOKE ALL ON FUNCTION tenancy_private.ways_around(regclass) FROM public;

-- Closes a table: from here on nobody, not even the table's owner, reads or writes a row
-- without a policy. A table with policies of its own is refused: the contract files replace all
-- policies of a table, and those that somebody wrote for a reason must not vanish silently. An
-- index without the workspace's column stays, with a warning.
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
            -- Nothing needs to be done about a key of random ids.
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
    public_privileges text;
BEGIN
    IF EXISTS (SELECT FROM tenancy_private.closed_tables AS t WHERE t.table_name = close_table.table_name) THEN
        RETURN;
    END IF;
    IF telling_indexes IS NOT NULL THEN
        RAISE WARNING 'EXPLAIN ANALYZE reveals to a tenant which values others have in: %', telling_indexes
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
    -- Tenants would have PUBLIC's rights too, on columns that the contract omits. Logins from
    -- before the migration keep them.
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', table_name);
    FOR public_privileges IN
        SELECT t.public_privileges FROM tenancy_private.closed_tables AS t
        WHERE t.table_name = close_table.table_name AND t.public_privileges IS NOT NULL
    LOOP
        EXECUTE format('GRANT %s ON %s TO tenancy_legacy', public_privileges, table_name);
    END LOOP;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', table_name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.close_table(regclass, name) FROM public;
COMMENT ON PROCEDURE tenancy_private.close_table (regclass, name) IS
'Enables and forces row-level security on a table that has no policies yet.';

-- Undoes close_table(): the table is again as open as its grants, and as it was before.
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
        'REVOKE ALL ON %s FROM tenancy_credentialed, tenancy_legacy, tenancy_auditor', table_name
    );
    IF was.public_privileges IS NOT NULL THEN
        EXECUTE format('GRANT %s ON %s TO PUBLIC', was.public_privileges, table_name);
    END IF;
    CALL tenancy_private.forget_contract(table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.reopen_table(regclass) FROM public;
COMMENT ON PROCEDURE tenancy_private.reopen_table (regclass) IS
'Drops the policies of a table, disables its row-level security if it was disabled before, and revokes the '
'application roles'' privileges.';

-- The procedures below are for the verify scripts: each compares a complete result and raises
-- with the name of each difference.
--
-- A procedure that commits cannot set a search_path, and one that writes rows of the
-- application leaves its triggers theirs: these are never SECURITY DEFINER.
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

-- The functions that tenancy_writer owns: each first checks the role as which it runs.
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
        RAISE EXCEPTION 'these functions that write tables of the application differ from what is expected: %', wrong;
    END IF;
    IF has_schema_privilege('tenancy_writer', 'tenancy_private', 'CREATE')
        OR has_schema_privilege('tenancy_writer', 'tenancy', 'CREATE')
        OR pg_has_role('tenancy_writer', 'tenancy_owner', 'MEMBER')
    THEN
        RAISE EXCEPTION 'tenancy_writer has more rights than writing';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_writers(text[]) FROM public;

-- A table of tenants: its key column, trigger, constraints and indexes are there and valid.
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
        RAISE EXCEPTION '%.workspace_id is not set for rows that name the organization', table_name;
    END IF;
    IF EXISTS (
        SELECT FROM pg_trigger AS t WHERE t.tgrelid = table_name AND t.tgname = relation || '_tenancy_keep_ownership'
    ) THEN
        RAISE EXCEPTION 'a revert of % was interrupted', table_name
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
