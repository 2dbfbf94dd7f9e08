-- Deploy pg-tenancy:kernel/contracts to pg
-- requires: kernel/schemas

\set change kernel/contracts
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- A table's contract as recorded by its script: sqitch does not verify a change
-- that the plan reworks later, and only the database knows which revision it has.
CREATE TABLE tenancy_private.contracts (
    table_name regclass NOT NULL,
    kind       text     NOT NULL,
    name       name     NOT NULL,
    definition text     NOT NULL,
    CONSTRAINT contracts_pkey PRIMARY KEY (table_name, kind, name)
);
COMMENT ON TABLE tenancy_private.contracts IS
'The row-level security, policies, privileges and triggers that each table of tenants must have; see contract_of().';

-- The functions that are made for one table each: they check its keys (kernel/taken_keys).
CREATE FUNCTION tenancy_private.key_check_names() RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN '%\_tenancy\_taken%';
REVOKE ALL ON FUNCTION tenancy_private.key_check_names() FROM public;

-- The triggers of a table that call functions of pg-tenancy, and the function that checks
-- this table's keys. The other part of a contract takes several times as long to read.
CREATE FUNCTION tenancy_private.triggers_of(table_name regclass)
RETURNS TABLE (name name, definition text)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT
    t.tgname,
    CASE
        WHEN p.proname LIKE tenancy_private.key_check_names() THEN rtrim(pg_get_functiondef(p.oid), E'\n') || format(
            '; ALTER FUNCTION %1$s OWNER TO %2$I; REVOKE ALL ON FUNCTION %1$s FROM PUBLIC; ',
            p.oid::regprocedure, pg_get_userbyid(p.proowner)
        )
        ELSE ''
    END
    || pg_get_triggerdef(t.oid) || CASE t.tgenabled
        WHEN 'O' THEN ''
        ELSE format('; ALTER TABLE %s %s TRIGGER %I', t.tgrelid::regclass,
            CASE t.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'DISABLE' END, t.tgname)
    END
FROM pg_trigger AS t
INNER JOIN pg_proc AS p ON t.tgfoid = p.oid
WHERE t.tgrelid = triggers_of.table_name
    AND NOT t.tgisinternal
    AND p.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace);
$$;
REVOKE ALL ON ROUTINE tenancy_private.triggers_of(regclass) FROM public;

-- The contract of a table as the catalog has it now. For a table of the application it includes
-- the privileges of PUBLIC and of the tenants' roles; for pg-tenancy's tables those of the other
-- groups too, and in tenancy_private those of every role but the owner.
CREATE FUNCTION tenancy_private.contract_of(table_name regclass)
RETURNS TABLE (kind text, name name, definition text)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT
    'row-level security',
    c.relname,
    CASE WHEN c.relrowsecurity THEN 'enabled' ELSE 'disabled' END
    || CASE WHEN c.relforcerowsecurity THEN ', forced' ELSE ', not forced' END
FROM pg_class AS c
WHERE c.oid = contract_of.table_name
UNION ALL
SELECT
    'policy',
    p.polname,
    format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, p.polrelid::regclass,
        CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        CASE p.polcmd
            WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL'
        END,
        (
            SELECT string_agg(CASE r.role WHEN 0 THEN 'public' ELSE r.role::regrole::text END, ', '
                ORDER BY r.role::regrole::text COLLATE "C")
            FROM unnest(p.polroles) AS r (role)
        ))
    || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
    || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
FROM pg_policy AS p
WHERE p.polrelid = contract_of.table_name
UNION ALL
SELECT
    'privileges',
    g.grantee,
    string_agg(
        g.privilege || coalesce(' (' || g.columns || ')', '')
        || CASE WHEN g.is_grantable THEN ' with grant option' ELSE '' END,
        ', ' ORDER BY g.privilege COLLATE "C", g.columns COLLATE "C" NULLS FIRST
    )
FROM (
    SELECT
        CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END AS grantee,
        a.privilege_type AS privilege,
        a.is_grantable,
        string_agg(quote_ident(a.column_name), ', ' ORDER BY a.column_name COLLATE "C") AS columns,
        a.relnamespace
    FROM (
        SELECT acl.*, NULL::name AS column_name, c.relnamespace, c.relowner
        FROM pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
        WHERE c.oid = contract_of.table_name
        UNION ALL
        SELECT acl.*, t.attname, c.relnamespace, c.relowner
        FROM pg_attribute AS t
        INNER JOIN pg_class AS c ON t.attrelid = c.oid
        CROSS JOIN LATERAL aclexplode(t.attacl) AS acl
        WHERE c.oid = contract_of.table_name AND NOT t.attisdropped
    ) AS a
    WHERE a.grantee <> a.relowner
    GROUP BY a.grantee, a.privilege_type, a.is_grantable, a.relnamespace, a.column_name IS NULL
) AS g
WHERE g.grantee IN ('public', 'tenancy_app', 'tenancy_credentialed', 'tenancy_auditor')
    OR g.relnamespace = 'tenancy'::regnamespace AND g.grantee = 'tenancy_service'
    OR g.relnamespace = 'tenancy_private'::regnamespace
GROUP BY g.grantee
UNION ALL
SELECT 'trigger', t.name, t.definition
FROM tenancy_private.triggers_of(contract_of.table_name) AS t;
$$;
REVOKE ALL ON ROUTINE tenancy_private.contract_of(regclass) FROM public;
COMMENT ON FUNCTION tenancy_private.contract_of(regclass) IS
'A table''s row-level security, policies, privileges of tenants'' roles and triggers of pg-tenancy, as they are now.';

-- Every contract file ends with this. Privileges of PUBLIC are never a part of it.
CREATE PROCEDURE tenancy_private.record_contract(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (SELECT c.relrowsecurity FROM pg_class AS c WHERE c.oid = record_contract.table_name) THEN
        RAISE EXCEPTION 'row-level security of % is disabled', record_contract.table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'contract_broken',
        HINT = format(
            'ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY; ALTER TABLE %1$s FORCE ROW LEVEL SECURITY;',
            record_contract.table_name
        );
    END IF;
    DELETE FROM tenancy_private.contracts AS c
    WHERE c.table_name = record_contract.table_name AND c.kind <> 'trigger';
    INSERT INTO tenancy_private.contracts (table_name, kind, name, definition)
    SELECT record_contract.table_name, c.kind, c.name, c.definition
    FROM tenancy_private.contract_of(record_contract.table_name) AS c
    WHERE c.kind <> 'trigger' AND NOT (c.kind = 'privileges' AND c.name = 'public');
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.record_contract(regclass) FROM public;
COMMENT ON PROCEDURE tenancy_private.record_contract (regclass) IS
'Records the policies, privileges and row-level security of a table, for verify_contracts() to compare.';

-- Triggers by name, so that adding one does not hide that somebody has dropped another
-- meanwhile.
CREATE PROCEDURE tenancy_private.record_triggers(table_name regclass, VARIADIC names name[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing text;
BEGIN
    INSERT INTO tenancy_private.contracts (table_name, kind, name, definition)
    SELECT record_triggers.table_name, 'trigger', t.name, t.definition
    FROM tenancy_private.triggers_of(record_triggers.table_name) AS t
    WHERE t.name = ANY(names)
    ON CONFLICT ON CONSTRAINT contracts_pkey DO UPDATE SET definition = excluded.definition;
    SELECT string_agg(n.name, ', ') INTO missing
    FROM unnest(names) AS n (name)
    WHERE NOT EXISTS (
        SELECT FROM tenancy_private.contracts AS c
        WHERE c.table_name = record_triggers.table_name AND c.kind = 'trigger' AND c.name = n.name
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION '% lacks the triggers %', record_triggers.table_name, missing;
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.record_triggers(regclass, name[]) FROM public;

CREATE PROCEDURE tenancy_private.forget_triggers(table_name regclass, VARIADIC names name[])
LANGUAGE sql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DELETE FROM tenancy_private.contracts AS c
WHERE c.table_name = forget_triggers.table_name AND c.kind = 'trigger' AND c.name = ANY(names);
$$;
REVOKE ALL ON ROUTINE tenancy_private.forget_triggers(regclass, name[]) FROM public;

-- Drops the triggers of a table that call such functions of ours. They are named after the
-- table, which may have had another name when they were created.
CREATE PROCEDURE tenancy_private.drop_triggers_calling(table_name regclass, functions text)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trigger_name name;
BEGIN
    FOR trigger_name IN
        SELECT t.tgname
        FROM pg_trigger AS t
        INNER JOIN pg_proc AS f ON t.tgfoid = f.oid
        WHERE t.tgrelid = table_name AND NOT t.tgisinternal
            AND f.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
            AND f.proname LIKE functions
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, table_name);
        CALL tenancy_private.forget_triggers(table_name, trigger_name);
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.drop_triggers_calling(regclass, text) FROM public;

-- For a table that is about to be dropped or restored.
CREATE PROCEDURE tenancy_private.forget_contract(table_name regclass)
LANGUAGE sql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DELETE FROM tenancy_private.contracts AS c
WHERE c.table_name = forget_contract.table_name
    AND (
        c.kind <> 'trigger'
        OR forget_contract.table_name IN (
            SELECT r.oid FROM pg_class AS r
            WHERE r.relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
        )
    );
$$;
REVOKE ALL ON ROUTINE tenancy_private.forget_contract(regclass) FROM public;

-- Every contract file in sql/policies starts with this, so that a table has exactly the
-- policies of its newest revision.
CREATE PROCEDURE tenancy.drop_policies(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    policy name;
BEGIN
    FOR policy IN
        SELECT p.polname FROM pg_policy AS p
        WHERE p.polrelid = table_name
        ORDER BY p.polname
    LOOP
        EXECUTE format('DROP POLICY %I ON %s', policy, table_name);
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy.drop_policies(regclass) FROM public;
COMMENT ON PROCEDURE tenancy.drop_policies (regclass) IS
'Drops all policies of a table; the caller must own the table.';

-- A table of pg-tenancy is created closed, and a revert closes it again: only the functions
-- read and write it, whatever the default privileges are. In the schema tenancy row-level
-- security is forced, and the owner needs a policy.
CREATE PROCEDURE tenancy_private.close_own_table(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    grantee text;
    relation CONSTANT name := (SELECT c.relname FROM pg_class AS c WHERE c.oid = close_own_table.table_name);
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END
        FROM pg_class AS c
        CROSS JOIN LATERAL (
            SELECT x.grantee FROM aclexplode(c.relacl) AS x
            UNION ALL
            SELECT x.grantee FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS x WHERE a.attrelid = c.oid
        ) AS acl
        WHERE c.oid = close_own_table.table_name AND acl.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', table_name, grantee);
    END LOOP;
    CALL tenancy.drop_policies(table_name);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', table_name);
    IF (SELECT c.relnamespace FROM pg_class AS c WHERE c.oid = close_own_table.table_name) = 'tenancy'::regnamespace THEN
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format(
            'CREATE POLICY %I ON %s FOR ALL TO tenancy_owner USING (true) WITH CHECK (true)',
            relation || '_owner', table_name
        );
    END IF;
    CALL tenancy_private.record_contract(table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.close_own_table(regclass) FROM public;
COMMENT ON PROCEDURE tenancy_private.close_own_table (regclass) IS
'Closes a table of pg-tenancy to everybody but its owner: no other privilege, no other policy.';

-- Differences between a table and its contract: one row for each, with the
-- statements that repair it.
CREATE FUNCTION tenancy_private.broken_contracts(only_table regclass DEFAULT NULL)
RETURNS TABLE (table_name text, problem text, repair text)
LANGUAGE sql
STABLE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
WITH tables AS (
    -- A table of the application has triggers before it is closed, and its contract from then on.
    SELECT c.table_name FROM tenancy_private.contracts AS c WHERE c.kind = 'row-level security'
    UNION
    SELECT c.oid::regclass FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
),

-- What a table was called when its contract was recorded, from one of its policies.
names AS (
    SELECT
        t.table_name,
        coalesce((
            SELECT substring(c.definition FROM '^CREATE POLICY .*? ON (.*?) AS (?:PERMISSIVE|RESTRICTIVE) FOR ')
            FROM tenancy_private.contracts AS c
            WHERE c.table_name = t.table_name AND c.kind = 'policy'
            ORDER BY c.name
            LIMIT 1
        ), t.table_name::text) AS former,
        EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.table_name) AS is_there
    FROM tables AS t
    WHERE only_table IS NULL OR t.table_name = only_table
),

differences AS (
    SELECT t.table_name, x.kind, x.name, x.wanted, x.found
    FROM names AS t
    CROSS JOIN LATERAL (
        SELECT kind, name, w.definition AS wanted, f.definition AS found
        FROM (
            SELECT c.kind, c.name, c.definition FROM tenancy_private.contracts AS c WHERE c.table_name = t.table_name
        ) AS w
        FULL JOIN tenancy_private.contract_of(t.table_name) AS f USING (kind, name)
    ) AS x
    WHERE t.former = t.table_name::text AND x.wanted IS DISTINCT FROM x.found
),

problems AS (
    SELECT
        d.table_name::text AS table_name,
        CASE
            WHEN d.kind = 'row-level security' AND d.wanted IS NULL THEN 'the table has no contract'
            WHEN d.kind = 'row-level security' AND d.found IS NULL THEN 'the table is missing'
            WHEN d.kind = 'row-level security' THEN format('row-level security is %s, wanted %s', d.found, d.wanted)
            WHEN d.kind = 'privileges' AND d.wanted IS NULL THEN format('%s may %s, wanted nothing', d.name, d.found)
            WHEN d.kind = 'privileges' THEN format('%s may %s, wanted %s', d.name, coalesce(d.found, 'do nothing'), d.wanted)
            WHEN d.found IS NULL THEN format('%s %s is missing', d.kind, d.name)
            WHEN d.wanted IS NULL THEN format('%s %s is not in the contract', d.kind, d.name)
            ELSE format('%s %s differs: %s', d.kind, d.name, d.found)
        END AS problem,
        CASE
            WHEN d.kind = 'row-level security' AND (d.wanted IS NULL OR d.found IS NULL) THEN NULL
            WHEN d.kind = 'row-level security' THEN format(
                'ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY; ALTER TABLE %1$s %2$s ROW LEVEL SECURITY;',
                d.table_name, CASE WHEN d.wanted LIKE '%not forced' THEN 'NO FORCE' ELSE 'FORCE' END
            )
            WHEN d.kind = 'privileges' THEN concat(
                format('REVOKE ALL ON %s FROM %s;', d.table_name, quote_ident(d.name)),
                ' GRANT ' || d.wanted || format(' ON %s TO %s;', d.table_name, quote_ident(d.name))
            )
            ELSE concat(
                CASE WHEN d.found IS NOT NULL THEN format('DROP %s %I ON %s;', upper(d.kind), d.name, d.table_name) END,
                CASE WHEN d.found IS NOT NULL AND d.wanted IS NOT NULL THEN ' ' END,
                d.wanted || ';'
            )
        END AS repair,
        d.kind,
        d.name
    FROM differences AS d
    UNION ALL
    -- Everything differs then, and statements with the former name repair nothing.
    SELECT
        n.table_name::text,
        CASE
            WHEN n.is_there THEN format('the table was called %s: run its contract again, protect() and allow()', n.former)
            ELSE format('the table is missing: it was called %s', n.former)
        END,
        CASE
            WHEN NOT n.is_there AND n.former !~ '^tenancy(_private)?\.' THEN format('CALL tenancy.unprotect(%s);', n.table_name::oid)
        END,
        'name',
        NULL
    FROM names AS n
    WHERE n.former <> n.table_name::text
)

SELECT p.table_name, p.problem, p.repair
FROM problems AS p
ORDER BY p.table_name, p.kind DESC, p.name;
$$;
REVOKE ALL ON ROUTINE tenancy_private.broken_contracts(regclass) FROM public;
COMMENT ON FUNCTION tenancy_private.broken_contracts(regclass) IS
'Each difference between a table, or every table, and its contract, with the statements that repair it.';

-- Raises an error that lists what a function finds, in rows as broken_contracts() returns them.
CREATE PROCEDURE tenancy_private.require_no_problems(
    finder regproc, error_name text, title text, hint text
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problems text;
    repairs text;
BEGIN
    EXECUTE format(
        $query$SELECT string_agg(p.table_name || ': ' || p.problem, E'\n'), string_agg(p.repair, E'\n') FROM %s() AS p$query$,
        finder
    ) INTO problems, repairs;
    IF problems IS NOT NULL THEN
        RAISE EXCEPTION E'%:\n%', title, problems
        USING ERRCODE = '55000',
        CONSTRAINT = error_name,
        DETAIL = coalesce(repairs, 'No statement repairs these.'),
        HINT = concat('The statements in the detail repair it. ', hint);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.require_no_problems(regproc, text, text, text) FROM public;

-- Called by the verify script of this change, which no other change reworks, so
-- that "sqitch verify" compares every table at every tag.
CREATE PROCEDURE tenancy_private.verify_contracts()
LANGUAGE sql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
CALL tenancy_private.require_no_problems(
    'tenancy_private.broken_contracts',
    'contract_broken',
    'tables differ from their contracts',
    'To accept a change that was made on purpose: CALL tenancy_private.record_contract(''<table>'').'
);
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_contracts() FROM public;
COMMENT ON PROCEDURE tenancy_private.verify_contracts () IS
'Raises contract_broken, naming each difference, if a table differs from its contract.';

CALL tenancy_private.close_own_table('tenancy_private.contracts');

-- Created and closed by a change before contracts existed.
CALL tenancy_private.record_contract('tenancy_private.changes');

\ir ../../notes/done.psql
COMMIT;
