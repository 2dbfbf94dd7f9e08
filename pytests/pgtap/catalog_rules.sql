-- Rules for every object of every phase; failures name the offenders.
-- noqa: disable=AM04,LT05

BEGIN;
SELECT plan(32);

-- The objects of the rules.
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

-- Roles that work for tenants, in a workspace or in all of them.
CREATE TEMPORARY VIEW application_roles AS
SELECT r.role
FROM (VALUES ('tenancy_app'), ('tenancy_credentialed'), ('tenancy_auditor')) AS r (role);

-- Tables on which somebody in a workspace has any right.
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

SELECT results_eq(
    $$ SELECT name FROM open_tables ORDER BY name COLLATE "C" $$,
    $$
    SELECT n.nspname || '.' || c.relname
    FROM tenancy_private.protected_tables AS p
    INNER JOIN pg_class AS c ON p.table_name = c.oid
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    ORDER BY (n.nspname || '.' || c.relname) COLLATE "C"
    $$,
    'the open tables are those that protect() and publish() were called for'
);

-- Parts of policies as pg_get_expr() prints them: the claimed workspace and user. They are
-- repeated here on purpose.
CREATE TEMPORARY VIEW claims AS
SELECT
    '(COALESCE(NULLIF(current_setting(''tenancy.current_organization_id''::text, true), ''''::text), '
    || 'NULLIF(current_setting(''tenancy.current_user_id''::text, true), ''''::text)))::uuid' AS workspace,
    'substr(current_setting(''tenancy.context''::text, true), %s, 1) = ''1''::text' AS permission,
    '"right"(current_setting(''tenancy.context''::text, true), 1) = ''_''::text' AS person,
    'current_setting(''tenancy.current_organization_id''::text, true) <> ''''::text' AS organization;

-- The permission of a command; NULL if it was allowed to nobody or to everybody.
CREATE TEMPORARY VIEW commands AS
WITH conditions AS (
    SELECT
        t.table_name,
        t.shape,
        t.key,
        k.command,
        k.polcmd,
        k.clauses,
        a.table_name IS NOT NULL AS is_allowed,
        array_remove(ARRAY[
            CASE WHEN p.number IS NOT NULL THEN format(c.permission, 72 + p.number) END,
            CASE WHEN a.person THEN c.person END,
            CASE a.workspace WHEN 'organization' THEN c.organization END
        ], NULL) AS asked
    FROM tenancy_private.protected_tables AS t
    CROSS JOIN (VALUES
        ('SELECT', 'r', '{USING}'::text[]),
        ('INSERT', 'a', '{WITH CHECK}'),
        ('UPDATE', 'w', '{USING,WITH CHECK}'),
        ('DELETE', 'd', '{USING}')
    ) AS k (command, polcmd, clauses)
    LEFT JOIN tenancy_private.access AS a ON t.table_name = a.table_name AND k.command = a.command
    LEFT JOIN tenancy.permissions AS p ON a.permission = p.permission
    CROSS JOIN claims AS c
)

SELECT
    m.table_name,
    m.shape,
    m.key,
    m.command,
    m.polcmd::"char" AS polcmd, -- noqa: RF06
    m.clauses,
    m.is_allowed,
    CASE
        WHEN cardinality(m.asked) > 1 THEN format('((%s))', array_to_string(m.asked, ') AND ('))
        WHEN cardinality(m.asked) = 1 THEN format('(%s)', m.asked[1])
    END AS asked
FROM conditions AS m;

CREATE TEMPORARY VIEW policies AS
SELECT
    p.polrelid,
    p.polname,
    p.polpermissive,
    p.polcmd,
    p.polroles,
    e.clause,
    regexp_replace(e.expression, '\s+', ' ', 'g') AS expression
FROM pg_policy AS p
CROSS JOIN LATERAL (VALUES
    ('USING', pg_get_expr(p.polqual, p.polrelid)), ('WITH CHECK', pg_get_expr(p.polwithcheck, p.polrelid))
) AS e (clause, expression)
WHERE e.expression IS NOT NULL;

-- Each command has a floor that checks its permission in the expression that verifies the
-- context: beside the verified value, or in the gate.
SELECT is_empty(
    $$
    WITH floors AS (
        SELECT
            t.*,
            format(
                '(((%1$I, %1$I) = ( SELECT tenancy.current_workspace_id() AS current_workspace_id, %3$s)) '
                'AND CASE WHEN (%1$I = ANY (ARRAY[( SELECT %2$s AS "coalesce")])) THEN true ELSE false END)',
                t.key, c.workspace,
                coalesce(
                    'CASE WHEN ' || t.asked || ' THEN ' || c.workspace || ' ELSE NULL::uuid END AS "case"',
                    c.workspace || ' AS "coalesce"'
                )
            ) AS tenant,
            format(
                '((((%1$I = %1$I), (%1$I = %1$I)) = ( SELECT %2$s, true))', t.key,
                coalesce(
                    '((NOT (tenancy.current_workspace_id() IS DISTINCT FROM ' || c.workspace || ')) AND ' || t.asked || ')',
                    '(NOT (tenancy.current_workspace_id() IS DISTINCT FROM ' || c.workspace || '))'
                )
            ) AS gate,
            format(
                ' AND (%1$I = ANY (ARRAY[( SELECT %2$s AS "coalesce"), %3$s])) '
                'AND tenancy.is_listed(%1$I, ( SELECT %4$sARRAY[%3$s, tenancy.current_workspace_id()]%5$s)))',
                t.key, c.workspace, '''00000000-0000-0000-0000-000000000000''::uuid',
                coalesce('CASE WHEN ' || t.asked || ' THEN ', ''),
                CASE WHEN t.asked IS NULL THEN ' AS "array"' ELSE ' ELSE NULL::uuid[] END AS "case"' END
            ) AS catalogue,
            format(
                ' AND CASE WHEN ( SELECT tenancy.sees_all_users() AS sees_all_users) THEN true '
                'ELSE tenancy.is_listed(%1$I, ( SELECT tenancy.visible_user_ids() AS visible_user_ids)) END)',
                t.key
            ) AS members
        FROM commands AS t
        CROSS JOIN claims AS c
        WHERE t.shape <> 'published'
    ),

    wanted (polrelid, polcmd, clause, expression) AS (
        SELECT
            f.table_name,
            f.polcmd,
            k.clause,
            CASE
                WHEN f.shape = 'members' THEN f.gate || f.members
                WHEN f.shape = 'catalogue' AND f.command = 'SELECT' THEN f.gate || f.catalogue
                ELSE f.tenant
            END
        FROM floors AS f
        CROSS JOIN LATERAL unnest(f.clauses) AS k (clause)
    ),

    found AS (
        SELECT p.polrelid, p.polcmd, p.clause, p.expression
        FROM policies AS p
        WHERE NOT p.polpermissive
    )

    (SELECT 'missing', w.* FROM wanted AS w EXCEPT ALL SELECT 'missing', f.* FROM found AS f)
    UNION ALL
    (SELECT 'further', f.* FROM found AS f EXCEPT ALL SELECT 'further', w.* FROM wanted AS w)
    $$,
    'every table has the floors of its shape, which ask for what each command needs, and no other restriction'
);

-- A command that was not allowed has no permissive policy.
SELECT is_empty(
    $$
    WITH wanted AS (
        SELECT
            c.table_name AS polrelid,
            c.polcmd,
            k.clause,
            CASE c.shape
                WHEN 'published'
                    THEN '(((tableoid = tableoid), (tableoid = tableoid)) = '
                        '( SELECT (tenancy.current_workspace_id() IS NOT NULL), true))'
                WHEN 'members'
                    THEN format('(%I = ANY (( SELECT tenancy.visible_user_ids() AS visible_user_ids)::uuid[]))', c.key)
                ELSE format('(%I IS NOT NULL)', c.key)
            END AS expression
        FROM commands AS c
        CROSS JOIN LATERAL unnest(c.clauses) AS k (clause)
        WHERE c.is_allowed
    ),

    found AS (
        SELECT p.polrelid, p.polcmd, p.clause, p.expression
        FROM policies AS p
        WHERE p.polpermissive AND p.polroles = ARRAY['tenancy_credentialed'::regrole::oid]
    )

    (SELECT 'missing', w.* FROM wanted AS w EXCEPT ALL SELECT 'missing', f.* FROM found AS f)
    UNION ALL
    (SELECT 'further', f.* FROM found AS f EXCEPT ALL SELECT 'further', w.* FROM wanted AS w)
    $$,
    'each command that was allowed has one policy, and no other has'
);

SELECT is_empty(
    $$
    SELECT p.polname, p.polrelid::regclass
    FROM policies AS p
    WHERE p.polroles = ARRAY['tenancy_auditor'::regrole::oid]
        AND p.expression <> format(
            '(((tableoid = tableoid), (tableoid = tableoid)) = ( SELECT (tenancy.record_read(%L::regclass) IS NOT NULL), true))',
            p.polrelid::regclass::text
        )
    $$,
    'what an auditor reads is recorded before the table is opened, under the table''s own name'
);

SELECT is_empty(
    $$
    SELECT p.polname, p.polrelid::regclass
    FROM policies AS p
    WHERE (p.polcmd IN ('a', 'w', 'd', '*') OR p.clause = 'WITH CHECK')
        AND p.expression ~ '00000000-0000-0000-0000-000000000000'
    $$,
    'no policy for writing takes the platform for a tenant''s workspace'
);

SELECT is_empty(
    $$
    SELECT p.polname, p.polrelid::regclass
    FROM policies AS p
    WHERE p.expression = 'true'
        AND p.polroles && ARRAY(
            SELECT r.role::regrole::oid FROM application_roles AS r UNION ALL SELECT 0::oid
        )
    $$,
    'no policy lets an application role see everything'
);

-- tenancy_app is a member of tenancy_credentialed, so naming both would be redundant.
SELECT is_empty(
    $$
    SELECT p.polname, p.polrelid::regclass
    FROM pg_policy AS p
    WHERE ARRAY(SELECT r::regrole::text FROM unnest(p.polroles) AS r ORDER BY 1)
        NOT IN (
            '{tenancy_credentialed}', '{tenancy_legacy,tenancy_owner,tenancy_service,tenancy_writer}',
            '{tenancy_owner,tenancy_service,tenancy_writer}', '{tenancy_auditor}'
        )
        -- Forced on its owner too, which therefore needs one.
        AND p.polname <> 'secrets_owner'
    $$,
    'every policy is for tenants, for services and logins from before, or for the auditor'
);

SELECT is_empty(
    $$
    SELECT m.roleid::regrole
    FROM pg_auth_members AS m
    WHERE m.member = 'tenancy_app'::regrole
        AND NOT (
            m.roleid = 'tenancy_credentialed'::regrole
            AND NOT m.admin_option
            -- PostgreSQL 15 has neither option.
            AND coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)
            AND NOT coalesce((to_jsonb(m) ->> 'set_option')::boolean, false)
        )
    UNION ALL
    SELECT 'tenancy_app'::regrole
    WHERE NOT pg_has_role('tenancy_app', 'tenancy_credentialed', 'USAGE')
    UNION ALL
    SELECT m.roleid::regrole
    FROM pg_auth_members AS m
    WHERE m.member IN ('tenancy_credentialed'::regrole, 'tenancy_auditor'::regrole)
    $$,
    'tenancy_app has the rights of tenancy_credentialed, without becoming it, and nobody has more by membership'
);

-- A login from before the migration keeps its own rights: its group, to which policies apply,
-- adds none.
SELECT is_empty(
    $$
    SELECT c.oid::regclass::text, g.privilege_type
    FROM pg_class AS c
    CROSS JOIN LATERAL (
        SELECT a.grantee, a.privilege_type FROM aclexplode(c.relacl) AS a
        UNION ALL
        SELECT a.grantee, a.privilege_type
        FROM pg_attribute AS k
        CROSS JOIN LATERAL aclexplode(k.attacl) AS a
        WHERE k.attrelid = c.oid
    ) AS g
    WHERE g.grantee = 'tenancy_legacy'::regrole AND c.relkind <> 'S'
    UNION ALL
    SELECT m.roleid::regrole::text, 'member' FROM pg_auth_members AS m WHERE m.member = 'tenancy_legacy'::regrole
    $$,
    'tenancy_legacy has no right on any table, and is a member of nothing'
);
SELECT set_eq(
    $$
    SELECT p.proname::text
    FROM pg_proc AS p
    CROSS JOIN LATERAL aclexplode(p.proacl) AS a
    WHERE p.pronamespace IN (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname IN ('tenancy', 'tenancy_private', 'finops'))
        AND a.grantee = 'tenancy_legacy'::regrole
    $$,
    ARRAY[
        'current_workspace_id', 'default_author_id', 'default_organization_id', 'default_user_id', 'default_workspace_id',
        'verify_context'
    ],
    'and calls what fills the columns of its rows, and nothing else'
);

-- Columns are granted according to allow() and publish(); the key is readable too.
SELECT is_empty(
    $$
    WITH wanted AS (
        SELECT t.table_name, r.role, a.command, u.column_name
        FROM tenancy_private.protected_tables AS t
        INNER JOIN tenancy_private.access AS a ON t.table_name = a.table_name
        CROSS JOIN LATERAL unnest(a.columns) AS u (column_name)
        INNER JOIN (VALUES
            ('tenancy_credentialed', '{SELECT,INSERT,UPDATE}'::text[]), ('tenancy_auditor', '{SELECT}')
        ) AS r (role, commands) ON a.command = ANY(r.commands)
        UNION
        SELECT t.table_name, r.role, 'SELECT', t.key
        FROM tenancy_private.protected_tables AS t
        CROSS JOIN (VALUES ('tenancy_credentialed'), ('tenancy_auditor')) AS r (role)
    ),

    found AS (
        SELECT t.oid::regclass, acl.grantee::regrole::text, acl.privilege_type, a.attname
        FROM tables AS t
        INNER JOIN pg_attribute AS a ON t.oid = a.attrelid AND NOT a.attisdropped
        CROSS JOIN LATERAL aclexplode(a.attacl) AS acl
        WHERE acl.grantee IN (SELECT r.role::regrole FROM application_roles AS r)
        UNION ALL
        SELECT t.oid::regclass, acl.grantee::regrole::text, acl.privilege_type, NULL
        FROM tables AS t
        INNER JOIN pg_class AS c ON t.oid = c.oid
        CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
        WHERE acl.grantee IN (SELECT r.role::regrole FROM application_roles AS r)
    )

    (SELECT 'missing', w.* FROM wanted AS w EXCEPT ALL SELECT 'missing', f.* FROM found AS f)
    UNION ALL
    (SELECT 'further', f.* FROM found AS f EXCEPT ALL SELECT 'further', w.* FROM wanted AS w)
    $$,
    'tenants and auditors have the columns that were named, and no whole table; tenancy_app has none of its own'
);

-- BEFORE, FOR EACH STATEMENT, INSERT OR DELETE OR UPDATE.
SELECT is_empty(
    $$
    SELECT p.table_name
    FROM tenancy_private.protected_tables AS p
    INNER JOIN pg_class AS c ON p.table_name = c.oid
    WHERE (p.shape <> 'published') <> EXISTS (
        SELECT FROM pg_trigger AS t
        WHERE t.tgrelid = p.table_name
            AND t.tgname = c.relname || '_tenancy_permission'
            AND t.tgfoid = 'tenancy.check_permission()'::regprocedure
            AND t.tgtype = 2 | 4 | 8 | 16
            AND t.tgenabled = 'A'
            AND t.tgqual IS NULL
            -- The permission's position in the context, if nothing else is checked.
            AND t.tgnargs = 3
            AND encode(t.tgargs, 'escape') = (
                SELECT
                    string_agg(coalesce((72 + n.number)::text, '') || '\000', '' ORDER BY strpos('INSERT UPDATE DELETE', k.command))
                FROM commands AS k
                LEFT JOIN tenancy_private.access AS a
                    ON k.table_name = a.table_name AND k.command = a.command AND NOT a.person AND a.workspace IS NULL
                LEFT JOIN tenancy.permissions AS n ON a.permission = n.permission
                WHERE k.table_name = p.table_name AND k.command <> 'SELECT'
            )
    )
    $$,
    'every write to a table of tenants is asked about, always'
);

-- A bare call is made for every row, which is intended for is_listed(). Innermost parentheses
-- are removed first, those of (SELECT ...) with their content.
SELECT is_empty(
    $$
    WITH RECURSIVE peeled AS (
        SELECT p.polname, p.polrelid::regclass AS table_name, p.expression, 0 AS step FROM policies AS p
        UNION ALL
        SELECT
            e.polname,
            e.table_name,
            regexp_replace(
                regexp_replace(
                    regexp_replace(e.expression, '\( SELECT [^()]*\)', '', 'g'), '(["\w])\(([^()]*)\)', '\1<\2>', 'g'
                ),
                '\((?! SELECT )([^()]*)\)', '[\1]', 'g'
            ),
            e.step + 1
        FROM peeled AS e
        WHERE e.expression ~ '[()]' AND e.step < 40
    )

    SELECT e.polname, e.table_name, e.expression
    FROM peeled AS e
    WHERE e.expression !~ '[()]'
        AND regexp_replace(e.expression, 'tenancy\.is_listed<|COALESCE<', '', 'g') ~ '["\w]<'
        OR e.step = 40
    $$,
    'every policy wraps its calls in (SELECT ...)'
);

SELECT is_empty(
    $$
    SELECT r.oid::regprocedure
    FROM routines AS r
    WHERE r.prosqlbody IS NULL 
        AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY(r.proconfig), false)
        -- The application's triggers find its own functions.
        AND NOT coalesce(
            r.proowner = 'tenancy_writer'::regrole AND 'search_path=pg_catalog, public, pg_temp' = ANY(r.proconfig), false
        )
        -- Functions that every query calls qualify all names (attacks/test_forged_context.py), and those that are
        -- inlined are called by pinned ones.
        AND NOT (
            r.oid IN (
                'tenancy.current_workspace_id()'::regprocedure,
                'tenancy_private.cost_rows()'::regprocedure,
                'tenancy_private.shares_with(uuid, uuid, uuid)'::regprocedure
            )
            AND NOT r.prosecdef AND r.proconfig IS NULL
        )
        -- Routines that commit or run their caller's command cannot set a path, nor can their
        -- callers.
        AND NOT (r.prokind = 'p' AND NOT r.prosecdef AND r.proconfig IS NULL
            AND r.prosrc ~ 'COMMIT;|EXECUTE command;|CALL tenancy_private[.](in_batches|release_adoption)[(]')
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

-- server_encoding is not a setting: it never changes. Functions that compose the texts of
-- policies read no settings.
SELECT is_empty(
    $$
    SELECT r.oid::regprocedure
    FROM routines AS r
    WHERE r.provolatile = 'i'
        AND replace(
            concat(r.prosrc, regexp_replace(pg_get_function_sqlbody(r.oid), $q$'([^']|'')*'$q$, '', 'g')),
            $q$current_setting('server_encoding')$q$, ''
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

-- Statistics functions count the entries of an index that a query touched, of hidden rows too.
-- With the workspace's column anywhere among the index's columns, the floor is one of the
-- index's conditions, and entries of other workspaces are passed over uncounted. An index on an
-- expression that is not leakproof cannot be searched before the floor has been applied.
-- Existing tables keep their PRIMARY KEY (id), to which others refer: a tenant can find out
-- that some row has an id, which is random and reveals nothing.
SELECT is_empty(
    $$
    SELECT i.indexrelid::regclass
    FROM pg_index AS i
    INNER JOIN open_tables AS t ON i.indrelid = t.oid
    INNER JOIN pg_class AS c ON i.indexrelid = c.oid
    INNER JOIN pg_am AS m ON c.relam = m.oid AND m.amname IN ('btree', 'hash')
    INNER JOIN pg_policy AS p ON p.polrelid = t.oid AND NOT p.polpermissive
    WHERE i.indexrelid::regclass::text NOT IN (
        'public.api_keys_tenancy_pkey', 'public.instances_tenancy_pkey', 'public.models_tenancy_pkey', 'finops.inference_usage_tenancy_pkey',
        'public.organization_models_tenancy_pkey', 'public.organization_model_shares_tenancy_pkey',
        -- An index of the application for its jobs; it reveals that somebody had costs in a
        -- minute.
        'finops.cost_actual_minute_tenancy_pkey'
    )
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_policy'::regclass
            AND d.objid = p.oid
            AND d.refclassid = 'pg_class'::regclass
            AND d.refobjid = t.oid
            AND d.refobjsubid = ANY((i.indkey::smallint[])[0:i.indnkeyatts - 1])
    )
    -- A query cannot have a condition on columns that it may not name.
    AND (i.indkey[0] = 0 OR has_column_privilege('tenancy_credentialed', t.oid, i.indkey[0], 'SELECT'))
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

-- Entries of the audit log, costs and money outlive their workspaces. Sums of costs have no
-- default, because only roll_up() writes them. Only functions write settings, and they name the
-- workspace.
SELECT is_empty(
    $$
    SELECT t.name
    FROM tables AS t
    INNER JOIN pg_attribute AS a ON t.oid = a.attrelid AND a.attname = 'workspace_id' AND NOT a.attisdropped
    WHERE t.name <> ALL(ARRAY[
        'tenancy.audit_log', 'tenancy.settings', 'tenancy_private.secrets', 'tenancy.wallets', 'tenancy.transfers', 'tenancy.ledger_entries', 'tenancy.wallet_holds',
        'tenancy.credit_grants', 'tenancy.credit_grant_uses', 'tenancy.unpaid_amounts', 'tenancy.spending_limits',
        'tenancy.ledger_checkpoints', 'tenancy_private.pending_credits', 'tenancy.catalog_preferences',
        'tenancy.usage_authorizations', 'tenancy.offering_usage'
    ])
        AND t.name !~ '^finops[.](inference_usage|cost_actual_minute)$|^tenancy_private[.]cost_'
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
        -- The random id of a new row reveals nothing.
        AND NOT (a.attname = 'id' AND a.atttypid = 'uuid'::regtype AND w.privilege = 'INSERT')
        AND has_column_privilege(r.role, t.oid, a.attname, w.privilege)
    $$,
    'no application role may write whose a row is, the id of one that is there, or a hash'
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
    WHERE a.attname ~ '(hash|secret|token|password)$' AND a.atttypid <> 'boolean'::regtype AND has_column_privilege(r.role, t.oid, a.attname, 'SELECT')
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
        AND o.object NOT IN (
            'tenancy_private.insert_row(regclass,jsonb,boolean)', 'tenancy_private.update_rows(regclass,jsonb,jsonb)',
            'tenancy_private.delete_rows(regclass,jsonb)', 'tenancy_private.empty_instances()',
            'tenancy_private.detach_usage(uuid[])', 'tenancy_private.write_costs(jsonb)'
        )
    $$,
    'everything in our schemas belongs to tenancy_owner, but for what writes the application''s tables'
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
            AND c.conname ~ CASE c.contype WHEN 'p' THEN '_pkey$' WHEN 'f' THEN '_fkey$' WHEN 'c' THEN '_check$' WHEN 'x' THEN '_excl$' ELSE '_key$' END
        )
    UNION ALL
    SELECT c.relname
    FROM pg_index AS i
    INNER JOIN tables AS t ON i.indrelid = t.oid
    INNER JOIN pg_class AS c ON i.indexrelid = c.oid
    INNER JOIN pg_class AS r ON i.indrelid = r.oid
    WHERE NOT (starts_with(c.relname, r.relname || '_') AND c.relname ~ '_(pkey|key|excl|idx)$')
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
