-- Rules that hold for every object of every phase. Each test names offenders.
-- noqa: disable=AM04,LT05

BEGIN;
SELECT plan(26);

-- What the rules are about.
CREATE TEMPORARY VIEW tables AS
SELECT
    c.oid,
    n.nspname || '.' || c.relname AS name,
    c.relrowsecurity,
    c.relforcerowsecurity
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('public', 'finops', 'tenancy', 'tenancy_private');

CREATE TEMPORARY VIEW routines AS
SELECT p.*
FROM pg_proc AS p
WHERE p.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace);

-- Whoever works for tenants, in a workspace or across them.
CREATE TEMPORARY VIEW application_roles AS
SELECT r.role
FROM (VALUES ('tenancy_app'), ('tenancy_credentialed'), ('tenancy_auditor')) AS r (role);

-- Tables that somebody in a workspace has any right on.
CREATE TEMPORARY VIEW open_tables AS
SELECT DISTINCT t.*
FROM tables AS t
CROSS JOIN application_roles AS r
WHERE has_any_column_privilege(r.role, t.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
    OR has_table_privilege(r.role, t.oid, 'DELETE, TRUNCATE, TRIGGER');

SELECT is_empty(
    $$ SELECT name FROM open_tables WHERE NOT relrowsecurity OR NOT relforcerowsecurity $$,
    'a table that an application role has any right on has row-level security enabled and forced'
);

-- The permission matrix and the states of instances belong to no workspace.
SELECT is_empty(
    $$
    SELECT t.name
    FROM open_tables AS t
    WHERE t.name NOT IN ('tenancy.role_permissions', 'tenancy.role_delegations', 'tenancy.instance_transitions')
        AND 1 <> (
            SELECT count(*)
            FROM pg_policy AS p
            WHERE p.polrelid = t.oid
                AND NOT p.polpermissive
                AND p.polcmd = '*'
                AND p.polroles @> ARRAY['tenancy_app'::regrole::oid, 'tenancy_credentialed'::regrole::oid]
                AND cardinality(p.polroles) = 2
                AND pg_get_expr(p.polqual, p.polrelid) = pg_get_expr(p.polwithcheck, p.polrelid)
        )
    $$,
    'it has one restrictive floor, for all commands, that reads what it checks'
);

-- One workspace, or a list of at most two where rows of the platform are read too.
SELECT is_empty(
    $$
    SELECT t.name, pg_get_expr(p.polqual, p.polrelid)
    FROM tables AS t
    INNER JOIN pg_policy AS p ON p.polrelid = t.oid AND NOT p.polpermissive
    WHERE EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = t.oid AND a.attname = 'workspace_id')
        AND regexp_replace(pg_get_expr(p.polqual, p.polrelid), '\s+', ' ', 'g') !~ concat(
            '^\(\(workspace_id = \( SELECT tenancy\.current_workspace_id\(\) AS current_workspace_id\)\) ',
            'AND \(workspace_id = ANY \(ARRAY\[\( SELECT tenancy\.current_workspace_id\(\) ',
            'AS current_workspace_id\)\]\)\)\)$|',
            '^\(\(workspace_id = ANY \(\( SELECT tenancy\.workspaces_for\(NULL::text, ''(always|personal)''::text\) ',
            'AS workspaces_for\)::uuid\[\]\)\) ',
            'AND \(workspace_id = ANY \(ARRAY\[ CASE ',
            'WHEN \(?\(organization_id IS NULL\)( AND \(user_id IS NULL\)\))? THEN workspace_id ',
            'ELSE \( SELECT tenancy\.current_workspace_id\(\) AS current_workspace_id\) END\]\)\)\)$'
        )
    $$,
    'the floor of a table of tenants is the current workspace, or a list that ends with the platform'
);

-- What is written is never compared with more than what may be seen: an UPDATE
-- may reach rows of the platform so that a trigger can refuse them, and what it
-- writes is checked against fewer workspaces or the same.
SELECT is_empty(
    $$
    SELECT p.polname, p.polrelid::regclass
    FROM pg_policy AS p
    WHERE p.polpermissive
        AND p.polcmd IN ('a', 'w')
        AND p.polroles && ARRAY['tenancy_app'::regrole::oid, 'tenancy_credentialed'::regrole::oid]
        AND pg_get_expr(p.polwithcheck, p.polrelid) ~ '''(always|personal)''::text'
    $$,
    'no check of what is written takes the platform for a tenant''s workspace'
);

SELECT is_empty(
    $$
    SELECT p.polname, p.polrelid::regclass
    FROM pg_policy AS p
    WHERE pg_get_expr(p.polqual, p.polrelid) = 'true'
        AND p.polroles && ARRAY['tenancy_app'::regrole::oid, 'tenancy_credentialed'::regrole::oid, 0::oid]
    $$,
    'no policy lets an application role see everything'
);

SELECT is_empty(
    $$ SELECT p.polname, p.polrelid::regclass FROM pg_policy AS p WHERE p.polroles = '{0}' $$,
    'every policy says for which roles it is'
);

SELECT is_empty(
    $$
    SELECT p.polname, p.polrelid::regclass
    FROM pg_policy AS p
    WHERE p.polpermissive
        AND p.polcmd = '*'
        AND p.polroles && ARRAY['tenancy_app'::regrole::oid, 'tenancy_credentialed'::regrole::oid]
    $$,
    'what an application role may do is one policy a command'
);

-- A call that stands alone is made for every row: is_listed() is meant to be.
SELECT is_empty(
    $$
    SELECT p.polname, p.polrelid::regclass, e.expression
    FROM pg_policy AS p
    CROSS JOIN LATERAL (VALUES
        (pg_get_expr(p.polqual, p.polrelid)), (pg_get_expr(p.polwithcheck, p.polrelid))
    ) AS e (expression)
    -- Twice, for one in another.
    CROSS JOIN (VALUES ('tenancy\.is_listed|\( SELECT [^()]*(\([^()]*\)[^()]*)*\)')) AS s (selected)
    WHERE regexp_replace(regexp_replace(e.expression, s.selected, '', 'g'), s.selected, '', 'g') ~ '\w\('
    $$,
    'every policy wraps its calls in (SELECT ...)'
);

SELECT is_empty(
    $$
    SELECT r.oid::regprocedure
    FROM routines AS r
    WHERE r.prosqlbody IS NULL AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY(r.proconfig), false)
    $$,
    'every routine, the definer ones above all, is compiled or pins its search_path with pg_temp last'
);

SELECT is_empty(
    $$
    SELECT r.oid::regprocedure
    FROM routines AS r
    CROSS JOIN LATERAL aclexplode(coalesce(r.proacl, acldefault('f', r.proowner))) AS acl
    WHERE acl.grantee = 0
    $$,
    'no routine can be called by PUBLIC'
);

SELECT is_empty(
    $$
    SELECT r.oid::regprocedure, a.role
    FROM routines AS r
    CROSS JOIN (SELECT role FROM application_roles UNION ALL VALUES ('tenancy_service')) AS a
    WHERE r.prorettype = 'trigger'::regtype AND has_function_privilege(a.role, r.oid, 'EXECUTE')
    $$,
    'no trigger function can be called'
);

-- server_encoding is no setting: a database keeps it for life.
SELECT is_empty(
    $$
    SELECT r.oid::regprocedure
    FROM routines AS r
    WHERE r.provolatile = 'i'
        AND replace(
            concat(r.prosrc, pg_get_function_sqlbody(r.oid)), $q$current_setting('server_encoding')$q$, ''
        ) ~ 'current_setting|tenancy\.|now\(\)'
    $$,
    'no immutable function reads a setting: its answer would stay in a plan when the workspace changes'
);

SELECT is_empty(
    $$ SELECT r.oid::regprocedure FROM routines AS r WHERE r.proleakproof $$,
    'no function is said to be leakproof'
);

SELECT is_empty(
    $$
    SELECT r.oid::regprocedure
    FROM routines AS r
    WHERE r.prosrc ~* '\mexecute\M[^;]*\|\|' AND r.prosecdef
    $$,
    'no definer function puts a statement together from pieces'
);

SELECT is_empty(
    $$
    SELECT c.conname, c.conrelid::regclass
    FROM pg_constraint AS c
    INNER JOIN tables AS t ON c.conrelid = t.oid
    WHERE c.contype = 'f'
        AND NOT EXISTS (
            SELECT FROM pg_index AS i
            WHERE i.indrelid = c.conrelid
                AND i.indisvalid
                AND (
                    i.indpred IS NULL
                    OR pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', (
                        SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
                    ))
                )
                AND (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] @> c.conkey
        )
    $$,
    'every foreign key has an index'
);

-- Statistics functions count the entries of an index that a query touched, of
-- hidden rows too. With the workspace's column anywhere among the index's
-- columns, the floor is one of the index's conditions, and entries of other
-- workspaces are passed over uncounted. An index on an expression that is not
-- leakproof cannot be searched before the floor has been applied. The tables that
-- the platform had before keep their PRIMARY KEY (id), which others refer to: it
-- can be found that some row has an id, and an id is random and says nothing.
SELECT is_empty(
    $$
    SELECT i.indexrelid::regclass
    FROM pg_index AS i
    INNER JOIN open_tables AS t ON i.indrelid = t.oid
    INNER JOIN pg_class AS c ON i.indexrelid = c.oid
    INNER JOIN pg_am AS m ON c.relam = m.oid AND m.amname IN ('btree', 'hash')
    INNER JOIN pg_policy AS p ON p.polrelid = t.oid AND NOT p.polpermissive
    WHERE i.indexrelid::regclass::text NOT IN ('public.api_keys_pkey', 'public.instances_pkey', 'public.models_pkey')
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_policy'::regclass
            AND d.objid = p.oid
            AND d.refclassid = 'pg_class'::regclass
            AND d.refobjid = t.oid
            AND d.refobjsubid = ANY((i.indkey::smallint[])[0:i.indnkeyatts - 1])
    )
    AND NOT (
        i.indkey[0] = 0
        AND EXISTS (
            SELECT FROM pg_proc AS f
            WHERE f.proname = substring(pg_get_indexdef(i.indexrelid, 1, true) FROM '^(?:\w+\.)?(\w+)\(')
                AND NOT f.proleakproof
        )
    )
    $$,
    'every index of a table that tenants read holds the workspace''s column'
);

-- Entries of the audit log outlive whom they concern.
SELECT is_empty(
    $$
    SELECT t.name
    FROM tables AS t
    INNER JOIN pg_attribute AS a ON t.oid = a.attrelid AND a.attname = 'workspace_id' AND NOT a.attisdropped
    WHERE t.name <> 'tenancy.audit_log'
        AND NOT (
            a.attnotnull
            AND a.atthasdef
            AND EXISTS (
                SELECT FROM pg_constraint AS c
                WHERE c.conrelid = t.oid
                    AND c.contype = 'c'
                    AND c.convalidated
                    AND c.conname ~ '_tenancy_workspace_check$'
                    AND a.attnum = ANY(c.conkey)
            )
            AND EXISTS (
                SELECT FROM pg_constraint AS c
                WHERE c.conrelid = t.oid
                    AND c.contype = 'f'
                    AND c.convalidated
                    AND c.conkey = ARRAY[a.attnum]
                    AND c.confrelid = 'tenancy.workspaces'::regclass
                    AND c.confdeltype = 'c'
            )
        )
    $$,
    'a workspace_id is never NULL, has a default, agrees with the organization, and goes with the workspace'
);

SELECT is_empty(
    $$
    SELECT t.name, a.attname, r.role, w.privilege
    FROM tables AS t
    INNER JOIN pg_attribute AS a ON t.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN application_roles AS r
    CROSS JOIN (VALUES ('INSERT'), ('UPDATE')) AS w (privilege)
    WHERE a.attname ~ '^(id|user_id|organization_id|workspace_id|model_workspace_id|.*_hash)$'
        AND has_column_privilege(r.role, t.oid, a.attname, w.privilege)
    $$,
    'no application role may write whose a row is, its id, or a hash'
);

SELECT is_empty(
    $$
    SELECT t.name, r.role, w.privilege
    FROM tables AS t
    CROSS JOIN (SELECT role FROM application_roles UNION ALL VALUES ('tenancy_service')) AS r
    CROSS JOIN (VALUES ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) AS w (privilege)
    WHERE has_table_privilege(r.role, t.oid, w.privilege)
        OR (w.privilege = 'REFERENCES' AND has_any_column_privilege(r.role, t.oid, w.privilege))
    $$,
    'no application role may truncate, refer to or put triggers on a table'
);

SELECT is_empty(
    $$
    SELECT n.nspname, r.role
    FROM pg_namespace AS n
    CROSS JOIN (SELECT role FROM application_roles UNION ALL VALUES ('tenancy_service')) AS r
    WHERE has_schema_privilege(r.role, n.oid, 'CREATE') AND n.nspname NOT LIKE 'pg\_temp%'
    $$,
    'no application role may make anything in a schema'
);

SELECT is_empty(
    $$ SELECT role FROM application_roles WHERE has_database_privilege(role, current_database(), 'TEMPORARY, CREATE') $$,
    'no application role may make temporary objects or schemas'
);

SELECT is_empty(
    $$
    SELECT r.role
    FROM (SELECT role FROM application_roles UNION ALL VALUES ('tenancy_service')) AS r
    WHERE has_schema_privilege(r.role, 'tenancy_private', 'USAGE')
    $$,
    'no application role may look into the private schema'
);

SELECT is_empty(
    $$
    SELECT t.name, a.attname, r.role
    FROM tables AS t
    INNER JOIN pg_attribute AS a ON t.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN application_roles AS r
    WHERE a.attname ~ '(hash|secret|token|password)$' AND has_column_privilege(r.role, t.oid, a.attname, 'SELECT')
    $$,
    'no application role may read a secret or its hash'
);

SELECT is_empty(
    $$
    SELECT o.object
    FROM (
        SELECT c.oid::regclass::text AS object, c.relowner AS owner
        FROM pg_class AS c
        WHERE c.relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
        UNION ALL
        SELECT r.oid::regprocedure::text, r.proowner
        FROM routines AS r
        UNION ALL
        SELECT n.nspname, n.nspowner
        FROM pg_namespace AS n
        WHERE n.nspname IN ('tenancy', 'tenancy_private')
    ) AS o
    WHERE o.owner <> 'tenancy_owner'::regrole
    $$,
    'everything in our schemas belongs to tenancy_owner'
);

SELECT is_empty(
    $$
    SELECT c.conname AS name
    FROM pg_constraint AS c
    INNER JOIN tables AS t ON c.conrelid = t.oid
    INNER JOIN pg_class AS r ON c.conrelid = r.oid
    WHERE c.contype IN ('p', 'u', 'f', 'c', 'x')
        AND NOT (
            starts_with(c.conname, r.relname || '_')
            AND c.conname ~ CASE c.contype WHEN 'p' THEN '_pkey$' WHEN 'f' THEN '_fkey$' WHEN 'c' THEN '_check$' ELSE '_key$' END
        )
    UNION ALL
    SELECT c.relname
    FROM pg_index AS i
    INNER JOIN tables AS t ON i.indrelid = t.oid
    INNER JOIN pg_class AS c ON i.indexrelid = c.oid
    INNER JOIN pg_class AS r ON i.indrelid = r.oid
    WHERE NOT (starts_with(c.relname, r.relname || '_') AND c.relname ~ '_(pkey|key|idx)$')
    $$,
    'every constraint and every index has a name by the rule'
);

SELECT is_empty(
    $$
    SELECT c.oid::regclass
    FROM pg_class AS c
    WHERE c.relnamespace IN (
            'public'::regnamespace, 'finops'::regnamespace, 'tenancy'::regnamespace, 'tenancy_private'::regnamespace
        )
        AND (
            c.relkind IN ('m', 'f')
            OR (c.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY(c.reloptions), false))
        )
    $$,
    'every view sees with the eyes of who asks, and nothing is kept where policies do not reach'
);

SELECT finish();
ROLLBACK;
