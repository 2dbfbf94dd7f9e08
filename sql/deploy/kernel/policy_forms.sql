-- Deploy pg-tenancy:kernel/policy_forms to pg
-- requires: kernel/adoption

\set change kernel/policy_forms
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The arguments of protect() and allow(), as data: policies, grants and triggers are created
-- from them, and verify, the matrix and error messages read them.
CREATE TABLE tenancy_private.protected_tables (
    table_name regclass NOT NULL,
    shape      text     NOT NULL,
    key        name     NOT NULL,
    parent     name,
    author     name,
    shared     name,
    shipped    boolean  NOT NULL DEFAULT false,
    CONSTRAINT protected_tables_pkey PRIMARY KEY (table_name),
    CONSTRAINT protected_tables_shape_check
    CHECK (shape IN ('tenant', 'child', 'author', 'catalogue', 'published', 'self', 'members'))
);
CALL tenancy_private.close_own_table('tenancy_private.protected_tables');
COMMENT ON TABLE tenancy_private.protected_tables IS
'The tables for which protect() and publish() were called, and the column with the owner of each row; shipped: the '
'call was in one of pg-tenancy''s own changes.';

CREATE TABLE tenancy_private.access (
    table_name regclass NOT NULL,
    command    text     NOT NULL,
    permission text,
    columns    name[],
    person     boolean  NOT NULL DEFAULT false,
    workspace  text,
    CONSTRAINT access_pkey PRIMARY KEY (table_name, command),
    CONSTRAINT access_table_name_fkey FOREIGN KEY (table_name)
    REFERENCES tenancy_private.protected_tables (table_name) ON DELETE CASCADE,
    CONSTRAINT access_command_check CHECK (command IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')),
    CONSTRAINT access_workspace_check CHECK (workspace = 'organization')
);
CALL tenancy_private.close_own_table('tenancy_private.access');
COMMENT ON TABLE tenancy_private.access IS
'The permission and the columns of each allowed command on a protected table; person excludes API keys, workspace '
'excludes personal workspaces.';

-- == The form of a policy: every expression that a policy has is made here ==
-- The numbers are those of docs/planner.md.

-- The claim of the session variables, which the floor compares with the verified value. Written
-- out in policies, because a function would be parsed at each planning (4). A tenant's own SQL
-- can change the variables in the middle of a statement, after the floor has verified them (8).
-- So elsewhere only two kinds of conditions may trust the claim: those that pass no row outside
-- of the floor, and the WITH CHECK of a write, which is evaluated at once.
CREATE FUNCTION tenancy_private.claimed_workspace() RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN 'coalesce(nullif(current_setting(''tenancy.current_organization_id'', true), ''''), '
    'nullif(current_setting(''tenancy.current_user_id'', true), ''''))::uuid';
REVOKE ALL ON FUNCTION tenancy_private.claimed_workspace() FROM public;

-- The expression if the condition may holds, else NULL; an empty condition always holds. A
-- verification beside or inside it belongs to the same expression (8).
CREATE FUNCTION tenancy_private.only_if(may text, expression text) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE may
    WHEN '' THEN expression
    ELSE format('CASE WHEN %s THEN %s END', may, expression)
END;
REVOKE ALL ON FUNCTION tenancy_private.only_if(text, text) FROM public;

-- The floor of a command, which no later policy can widen. Its first half compares the column
-- with the verified workspace and with the claimed one, which is NULL without the permission.
-- So PostgreSQL compares these two with each other before it opens the table: the error without
-- a context depends on no row, and permission and seal are checked in one expression, in the
-- middle of which nothing can change (8). The second half costs as little as the cheapest
-- condition, consists only of operators that PostgreSQL considers leakproof, and cannot be an
-- index condition, so a query's own comparisons come after it wherever no index is used (1, 2).
CREATE FUNCTION tenancy_private.floor(
    key name, verified text, claimed text, may text DEFAULT ''
) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN format(
    '(%1$I, %1$I) = (SELECT %2$s, %4$s) AND '
    'CASE WHEN %1$I = ANY(ARRAY[(SELECT %3$s)]) THEN true ELSE false END',
    key, verified, claimed, tenancy_private.only_if(may, claimed)
);
REVOKE ALL ON FUNCTION tenancy_private.floor(name, text, text, text) FROM public;

-- Lets every row pass or raises before the table is opened: an expression that is true for
-- every row is compared twice, so that PostgreSQL first compares the two values with each
-- other. Below an outer join it does so before version 16 only for strict operators, such as
-- "=" but not IS NULL. A condition without a column of the table would be evaluated once for
-- each row (3).
CREATE FUNCTION tenancy_private.gate(never_null text, is_true text) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN format('(%1$s = %1$s, %1$s = %1$s) = (SELECT %2$s, true)', never_null, is_true);
REVOKE ALL ON FUNCTION tenancy_private.gate(text, text) FROM public;

-- For floors with a list, in which each row is found by binary search (6). PostgreSQL evaluates
-- cheap conditions first, so this must seem cheaper than any comparison of a query's own:
-- otherwise EXPLAIN ANALYZE would reveal whether a hidden row passed one. The function is
-- STRICT but its body is not, so that PostgreSQL does not inline it, which would cost more.
CREATE FUNCTION tenancy.is_listed(id uuid, sorted_ids uuid[]) RETURNS boolean
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
SECURITY INVOKER
COST 1e-30
RETURN coalesce(sorted_ids[width_bucket(id, sorted_ids)] = id, false);
REVOKE ALL ON FUNCTION tenancy.is_listed(uuid, uuid[]) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.is_listed(uuid, uuid[]) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.is_listed(uuid, uuid[]) IS 'Whether an id is in a sorted list without NULLs.';

-- The gate of a floor with a list: the context is verified, equals the claim, and has the
-- permission.
CREATE FUNCTION tenancy_private.list_gate(key name, may text) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN tenancy_private.gate(
    quote_ident(key),
    'tenancy.current_workspace_id() IS NOT DISTINCT FROM ' || tenancy_private.claimed_workspace()
    || coalesce(' AND ' || nullif(may, ''), '')
);
REVOKE ALL ON FUNCTION tenancy_private.list_gate(name, text) FROM public;

-- The floor for reading a catalogue: the workspace's own rows and the platform's. A list is for
-- small tables (5). The gate compares no column with the verified value, so the deciding list,
-- in is_listed(), contains the verified workspace and checks the permission again: a
-- transaction can have two valid seals, and the gate may have verified the other one (8). The
-- other list is for the index.
CREATE FUNCTION tenancy_private.catalogue_floor(key name, may text DEFAULT '') RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN tenancy_private.list_gate(key, may) || format(
    ' AND %1$I = ANY(ARRAY[(SELECT %2$s), %3$s])'
    ' AND tenancy.is_listed(%1$I, (SELECT %4$s))',
    key, tenancy_private.claimed_workspace(), '''00000000-0000-0000-0000-000000000000''::uuid',
    tenancy_private.only_if(
        may, 'ARRAY[''00000000-0000-0000-0000-000000000000''::uuid, tenancy.current_workspace_id()]'
    )
);
REVOKE ALL ON FUNCTION tenancy_private.catalogue_floor(name, text) FROM public;

-- The floor of accounts: a person can be in many workspaces, so this is a list too (6).
CREATE FUNCTION tenancy_private.members_floor(key name, may text DEFAULT '') RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN tenancy_private.list_gate(key, may) || format(
    ' AND CASE WHEN (SELECT %s) THEN true ELSE tenancy.is_listed(%I, (SELECT %s)) END',
    tenancy_private.only_if(may, 'tenancy.sees_all_users()'), key,
    tenancy_private.only_if(may, 'tenancy.visible_user_ids()')
);
REVOKE ALL ON FUNCTION tenancy_private.members_floor(name, text) FROM public;

-- A condition that is true if the claimed context may use a command; empty if everybody in a
-- workspace may.
CREATE FUNCTION tenancy_private.may(permission text, person boolean, workspace text) RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN concat_ws(
    ' AND ',
    (
        SELECT
            format(
                'substr(current_setting(''tenancy.context'', true), %s, 1) = ''1''', 72 + p.number
            )
        FROM tenancy.permissions AS p
        WHERE p.permission = may.permission -- noqa: RF01
    ),
    -- The credential comes last.
    CASE WHEN person THEN 'right(current_setting(''tenancy.context'', true), 1) = ''_''' END,
    CASE workspace
        WHEN 'organization'
            THEN 'current_setting(''tenancy.current_organization_id'', true) <> '''''
    END
);
REVOKE ALL ON FUNCTION tenancy_private.may(text, boolean, text) FROM public;

CREATE FUNCTION tenancy_private.claimed_user() RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN 'nullif(current_setting(''tenancy.current_user_id'', true), '''')::uuid';
REVOKE ALL ON FUNCTION tenancy_private.claimed_user() FROM public;

-- The author of a row, for the author's shape: a program with a key is not an
-- author. Verified, because the floor does not verify the acting person (8).
CREATE FUNCTION tenancy_private.verified_author() RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN '(SELECT CASE WHEN right(current_setting(''tenancy.context'', true), 1) = ''_'' '
    'THEN tenancy.current_user_id() END)';
REVOKE ALL ON FUNCTION tenancy_private.verified_author() FROM public;

-- Lets the author's own rows pass, and those for which otherwise is true. A query's own
-- comparisons come after it, as after the floor (2).
CREATE FUNCTION tenancy_private.author_floor(author name, otherwise text) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN format(
    'CASE WHEN %I = ANY(ARRAY[%s]) THEN true ELSE %s END',
    author, tenancy_private.verified_author(), otherwise
);
REVOKE ALL ON FUNCTION tenancy_private.author_floor(name, text) FROM public;

-- For a child below an author's table: its parent is visible, which the parent's own policies
-- decide, or for a write the writer is the parent's author. NULL for any other child. A row
-- without a parent passes.
CREATE FUNCTION tenancy_private.parent_floor(
    table_name regclass, parent name, is_written boolean, depth integer DEFAULT 1
) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    child CONSTANT text := CASE depth
        WHEN 1 THEN (SELECT quote_ident(c.relname) FROM pg_class AS c WHERE c.oid = parent_floor.table_name)
        ELSE format('p%s', depth - 1)
    END;
    above record;
    is_theirs text;
BEGIN
    SELECT
        p.table_name, p.shape, p.parent, p.author, (
            SELECT string_agg(format('p%s.%I = %s.%I', depth, r.attname, child, f.attname), ' AND ' ORDER BY u.place)
            FROM unnest(k.conkey, k.confkey) WITH ORDINALITY AS u (here, there, place)
            INNER JOIN pg_attribute AS f ON f.attrelid = k.conrelid AND f.attnum = u.here
            INNER JOIN pg_attribute AS r ON r.attrelid = k.confrelid AND r.attnum = u.there
        ) AS matches
    INTO above
    FROM pg_constraint AS k
    INNER JOIN tenancy_private.protected_tables AS p ON k.confrelid = p.table_name
    WHERE k.oid = tenancy_private.key_to_parent(parent_floor.table_name, parent_floor.parent);
    is_theirs := CASE above.shape
        WHEN 'author' THEN format('p%s.%I = ANY(ARRAY[%s])', depth, above.author, tenancy_private.verified_author())
        WHEN 'child' THEN tenancy_private.parent_floor(above.table_name, above.parent, true, depth + 1)
    END;
    IF is_theirs IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN format(
        '%s.%I IS NULL OR EXISTS (SELECT FROM %s AS p%s WHERE %s%s)',
        child, parent, above.table_name, depth, above.matches,
        CASE WHEN is_written THEN format(' AND (%s)', is_theirs) END
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.parent_floor(regclass, name, boolean, integer) FROM public;

\ir ../../notes/done.psql
COMMIT;
