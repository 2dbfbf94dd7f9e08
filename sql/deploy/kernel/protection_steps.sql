-- Deploy pg-tenancy:kernel/protection_steps to pg
-- requires: kernel/taken_keys
-- requires: kernel/isolated_references
-- requires: kernel/parents
-- requires: kernel/audit_log
-- requires: kernel/legacy_logins

\set change kernel/protection_steps
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

CREATE PROCEDURE tenancy_private.add_policy(
    table_name regclass, suffix text, kind text, command text, roles text, condition text
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format(
        'CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s',
        tenancy_private.short_name(table_name, '_' || suffix), table_name, kind, command, roles,
        CASE WHEN command <> 'INSERT' THEN format(' USING (%s)', condition) END,
        CASE WHEN command IN ('ALL', 'INSERT', 'UPDATE') THEN format(' WITH CHECK (%s)', condition) END
    );
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.add_policy(regclass, text, text, text, text, text)
FROM public;

-- Creates the floor of a command again; may is empty if the command was not allowed. The floor
-- of SELECT is called <table>_tenant, the others have the command in their names.
CREATE PROCEDURE tenancy_private.set_floor(
    protected tenancy_private.protected_tables, command text, may text DEFAULT ''
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    suffix CONSTANT text := concat_ws('_', 'tenant', nullif(lower(command), 'select'));
    policy_name CONSTANT name := tenancy_private.short_name(protected.table_name, '_' || suffix);
BEGIN
    IF EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = protected.table_name AND p.polname = policy_name) THEN
        EXECUTE format('DROP POLICY %I ON %s', policy_name, protected.table_name);
    END IF;
    CALL tenancy_private.add_policy(
        protected.table_name, suffix, 'RESTRICTIVE', command, 'tenancy_credentialed',
        CASE
            WHEN protected.shape = 'catalogue' AND command = 'SELECT'
                THEN tenancy_private.catalogue_floor(protected.key, may)
            WHEN protected.shape = 'self'
                THEN tenancy_private.floor(
                    protected.key, 'tenancy.current_user_id()', tenancy_private.claimed_user(), may
                )
            WHEN protected.shape = 'members'
                THEN tenancy_private.members_floor(protected.key, may)
            ELSE tenancy_private.floor(
                protected.key, 'tenancy.current_workspace_id()', tenancy_private.claimed_workspace(), may
            )
        END
    );
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.set_floor(tenancy_private.protected_tables, text, text)
FROM public;

-- The policies of services, functions, logins from before the migration, and the auditor. An
-- auditor's access is recorded once for each statement.
CREATE PROCEDURE tenancy_private.add_readers_of_all(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Logins from before the migration had no rights on these.
    is_ours CONSTANT boolean := (
        SELECT c.relnamespace = 'tenancy'::regnamespace FROM pg_class AS c WHERE c.oid = table_name
    );
BEGIN
    CALL tenancy_private.add_policy(
        table_name, 'service', 'PERMISSIVE', 'ALL',
        'tenancy_service, tenancy_owner, tenancy_writer' || CASE WHEN is_ours THEN '' ELSE ', tenancy_legacy' END,
        'true'
    );
    CALL tenancy_private.add_policy(
        table_name, 'auditor', 'PERMISSIVE', 'SELECT', 'tenancy_auditor',
        tenancy_private.gate('tableoid', format('tenancy.record_read(%L) IS NOT NULL', table_name::text))
    );
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.add_readers_of_all(regclass) FROM public;

-- Tenants must be able to read what the policies of an author's children compare with: the key,
-- the id, and the author or, of a child with children, the parent.
CREATE PROCEDURE tenancy_private.open_to_children(protected tenancy_private.protected_tables)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    child record;
BEGIN
    FOR child IN
        SELECT
            c.table_name,
            string_agg(DISTINCT quote_ident(a.attname), ', ') AS columns,
            EXISTS (
                SELECT FROM pg_policy AS y
                -- The table may have been renamed since.
                WHERE y.polrelid = c.table_name AND y.polcmd = 'r' AND y.polname LIKE '%\_tenant\_parent'
            ) AS follows
        FROM tenancy_private.protected_tables AS c
        INNER JOIN pg_constraint AS k
            ON k.oid = tenancy_private.key_to_parent(c.table_name, c.parent) AND k.confrelid = protected.table_name
        INNER JOIN pg_attribute AS a ON k.confrelid = a.attrelid AND a.attnum = ANY(k.confkey)
        WHERE c.shape = 'child'
        GROUP BY c.table_name
    LOOP
        IF child.follows THEN
            EXECUTE format(
                'GRANT SELECT (%s) ON %s TO tenancy_credentialed',
                concat_ws(', ', child.columns, quote_ident(protected.author), quote_ident(protected.parent)),
                protected.table_name
            );
        ELSIF protected.shape = 'author' THEN
            RAISE EXCEPTION '% is a child of %, and would still be seen by the whole workspace', child.table_name,
                protected.table_name
            USING ERRCODE = '55000',
            CONSTRAINT = 'children_first',
            HINT = format(
                'CALL tenancy.unprotect(%L) first, and protect it again afterwards: then it follows its parent.',
                child.table_name::text
            );
        END IF;
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.open_to_children(tenancy_private.protected_tables)
FROM public;

-- A child below an author's table is visible to those who see its parent, not to the whole
-- workspace.
CREATE PROCEDURE tenancy_private.follow_parent(protected tenancy_private.protected_tables)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    condition text;
    above tenancy_private.protected_tables;
BEGIN
    SELECT p.* INTO above
    FROM tenancy_private.protected_tables AS p
    INNER JOIN pg_constraint AS k ON p.table_name = k.confrelid
    WHERE k.oid = tenancy_private.key_to_parent(protected.table_name, protected.parent);
    -- After a rename there, its contract comes first: it says what is private.
    CALL tenancy_private.require_columns(above.table_name, ARRAY[above.parent, above.author]);
    condition := tenancy_private.parent_floor(protected.table_name, protected.parent, false);
    IF condition IS NULL THEN
        RETURN;
    END IF;
    CALL tenancy_private.add_policy(
        protected.table_name, 'tenant_parent', 'RESTRICTIVE', 'SELECT', 'tenancy_credentialed', condition
    );
    CALL tenancy_private.open_to_children(above);
    -- For the check of taken keys.
    CALL tenancy_private.grant_rights(above.table_name, 'tenancy_owner', ARRAY['SELECT']);
    CALL tenancy_private.record_contract(above.table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.follow_parent(tenancy_private.protected_tables) FROM public;

-- Policies of a partitioned table do not apply to queries of a partition by its own name.
CREATE PROCEDURE tenancy_private.require_closed_partitions(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    open_to record;
BEGIN
    SELECT
        t.relid AS name,
        string_agg(
            DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END, ', '
        ) AS grantees
    INTO open_to
    FROM pg_partition_tree(table_name) AS t
    INNER JOIN pg_class AS c ON t.relid = c.oid
    CROSS JOIN LATERAL (
        SELECT x.grantee FROM aclexplode(c.relacl) AS x
        UNION ALL
        SELECT x.grantee FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS x WHERE a.attrelid = c.oid
    ) AS acl
    WHERE t.relid <> table_name
        AND (acl.grantee = 0 OR acl.grantee IN ('tenancy_app'::regrole, 'tenancy_credentialed'::regrole))
    GROUP BY t.relid
    ORDER BY t.relid::text
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% cannot be protected: its partition % is open to %', table_name, open_to.name, open_to.grantees
        USING ERRCODE = '55000',
        CONSTRAINT = 'partition_open',
        HINT = format('REVOKE ALL ON %s FROM %s; whoever needs it may use the partitioned table.', open_to.name, open_to.grantees);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.require_closed_partitions(regclass) FROM public;

-- Warns of objects that show the rows with the rights of a role that sees all of them.
CREATE PROCEDURE tenancy_private.warn_of_views(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    views text;
    remedies text;
BEGIN
    SELECT string_agg(format('%s (%s)', w.object, w.open_to), ', '), string_agg(w.remedy, E'\n')
    INTO views, remedies
    FROM tenancy_private.ways_around(table_name) AS w;
    IF views IS NOT NULL THEN
        RAISE WARNING 'rows of % stay visible through %', table_name, views
        USING DETAIL = remedies,
        HINT = 'Policies do not hold there. The statements in the detail close these ways; pg-tenancy status lists them.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.warn_of_views(regclass) FROM public;

-- Whether this transaction is one of pg-tenancy's own changes and is about a table.
CREATE FUNCTION tenancy_private.is_revised(table_name regclass) RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN table_name::oid::text = ANY(
    string_to_array(current_setting('tenancy.revised_tables', true), ',')
);
REVOKE ALL ON FUNCTION tenancy_private.is_revised(regclass) FROM public;

-- A table with no privileges and no policies but those of its shape.
CREATE PROCEDURE tenancy_private.close_protected(protected tenancy_private.protected_tables)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (SELECT c.relnamespace FROM pg_class AS c WHERE c.oid = protected.table_name) <> 'tenancy'::regnamespace THEN
        CALL tenancy_private.keep_legacy_logins(ARRAY[protected.table_name], true);
        CALL tenancy_private.grant_rights(
            protected.table_name, 'tenancy_service', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']
        );
        CALL tenancy_private.grant_sequences(protected.table_name, 'tenancy_service');
        CALL tenancy_private.grant_schema(protected.table_name);
        CALL tenancy_private.require_closed_partitions(protected.table_name);
        CALL tenancy_private.close_table(protected.table_name, protected.key);
        CALL tenancy_private.warn_of_views(protected.table_name);
    END IF;
    EXECUTE format(
        'REVOKE ALL ON %s FROM PUBLIC, tenancy_app, tenancy_credentialed, tenancy_auditor', protected.table_name
    );
    IF (SELECT c.relnamespace FROM pg_class AS c WHERE c.oid = protected.table_name) = 'tenancy'::regnamespace THEN
        EXECUTE format('REVOKE ALL ON %s FROM tenancy_service', protected.table_name);
    END IF;
    CALL tenancy.drop_policies(protected.table_name);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', protected.table_name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', protected.table_name);
    DELETE FROM tenancy_private.protected_tables AS p WHERE p.table_name = protected.table_name;
    protected.shipped := coalesce(tenancy_private.is_revised(protected.table_name), false);
    INSERT INTO tenancy_private.protected_tables SELECT (protected).*;
    CALL tenancy_private.add_readers_of_all(protected.table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.close_protected(tenancy_private.protected_tables) FROM public;

-- Creates the trigger of a table from tenancy_private.access.
CREATE PROCEDURE tenancy_private.set_permission_trigger(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trigger_name CONSTANT name := tenancy_private.name_for(table_name, 'permission');
    places CONSTANT text := (
        SELECT string_agg(quote_literal(coalesce((72 + p.number)::text, '')), ', ' ORDER BY c.place)
        FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS c (command, place)
        LEFT JOIN tenancy_private.access AS a
            ON a.table_name = set_permission_trigger.table_name
            AND a.command = c.command AND NOT a.person AND a.workspace IS NULL
        LEFT JOIN tenancy.permissions AS p ON a.permission = p.permission
    );
BEGIN
    CALL tenancy_private.drop_triggers_calling(table_name, 'check_permission');
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT '
        'EXECUTE FUNCTION tenancy.check_permission(%s)',
        trigger_name, table_name, places
    );
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', table_name, trigger_name);
    CALL tenancy_private.record_triggers(table_name, trigger_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.set_permission_trigger(regclass) FROM public;

-- Changes begin with this: only they define access to their tables.
CREATE PROCEDURE tenancy_private.revise(VARIADIC tables regclass[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    CALL tenancy_private.patiently(tables, 'ACCESS EXCLUSIVE', 'SELECT');
    PERFORM set_config('tenancy.revised_tables', array_to_string(tables::oid[], ','), true);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.revise(regclass[]) FROM public;

-- A manual call would leave such a table in a state of no release, until the next revision.
CREATE PROCEDURE tenancy_private.refuse_shipped(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT coalesce(tenancy_private.is_revised(table_name), false) AND (
        EXISTS (
            SELECT FROM tenancy_private.protected_tables AS p
            WHERE p.table_name = refuse_shipped.table_name AND p.shipped
        )
        OR EXISTS (
            SELECT FROM pg_class AS c
            WHERE c.oid = refuse_shipped.table_name AND c.relnamespace = 'tenancy'::regnamespace
        )
    ) THEN
        RAISE EXCEPTION 'access to % is defined by pg-tenancy''s own changes', table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'table_shipped',
        HINT = 'Keep what is the application''s own in a table beside it, which you protect.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.refuse_shipped(regclass) FROM public;

-- A key column of the application needs a foreign key: otherwise the rows outlive their tenant.
CREATE PROCEDURE tenancy_private.warn_of_orphans(table_name regclass, key name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- purge_organization() knows the tables that came with pg-tenancy, and organizations itself.
    IF table_name = 'public.organizations'::regclass OR EXISTS (
        SELECT FROM pg_class AS c
        WHERE c.oid = warn_of_orphans.table_name AND c.relnamespace = 'tenancy'::regnamespace
    ) THEN
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_constraint AS c
        INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND c.conkey = ARRAY[a.attnum]
        WHERE c.conrelid = warn_of_orphans.table_name
            AND c.contype = 'f'
            AND c.confdeltype = 'c'
            AND c.confrelid IN ('public.organizations'::regclass, 'tenancy.workspaces'::regclass)
            AND a.attname = warn_of_orphans.key
    ) THEN
        RAISE WARNING 'rows of % stay when their organization is purged', table_name
        USING HINT = format(
            'ALTER TABLE %s ADD FOREIGN KEY (%I) REFERENCES public.organizations (id) ON DELETE CASCADE;', table_name, key
        );
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.warn_of_orphans(regclass, name) FROM public;

-- Numeric columns in a unique key that spans all tenants, also in an expression or an exclusion
-- constraint: a tenant could find out which numbers others have, and take the next ones. If the
-- key includes the workspace, the numbers belong to it; beside a uuid they cannot be guessed. A
-- domain has the category of its base type.
CREATE FUNCTION tenancy_private.shared_numbers(table_name regclass, key name) RETURNS name[]
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN ARRAY(
    SELECT DISTINCT a.attname
    FROM pg_index AS i
    CROSS JOIN LATERAL (
        SELECT c.number::smallint AS number
        FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS c (number, place)
        WHERE c.place <= i.indnkeyatts
        UNION
        SELECT v.found[1]::smallint
        FROM regexp_matches(i.indexprs::text, ':varattno (\d+)', 'g') AS v (found)
    ) AS c
    INNER JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND c.number = a.attnum
    INNER JOIN pg_type AS t ON a.atttypid = t.oid
    WHERE i.indrelid = shared_numbers.table_name -- noqa: RF01
        AND (i.indisunique OR i.indisexclusion)
        AND t.typcategory = 'N'
        AND NOT EXISTS (
            SELECT FROM pg_attribute AS o
            INNER JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
                ON o.attnum = k.number
            WHERE o.attrelid = i.indrelid AND k.place <= i.indnkeyatts
                AND (o.attname = shared_numbers.key OR o.atttypid = 'uuid'::regtype) -- noqa: RF01
        )
    ORDER BY a.attname
);
REVOKE ALL ON FUNCTION tenancy_private.shared_numbers(regclass, name) FROM public;

CREATE PROCEDURE tenancy_private.require_columns(table_name regclass, columns name[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing CONSTANT text := (
        SELECT string_agg(c.name, ', ')
        FROM unnest(columns) AS c (name)
        WHERE c.name IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_attribute AS a
            WHERE a.attrelid = table_name AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
        )
    );
BEGIN
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION '% lacks the columns %', table_name, missing
        USING ERRCODE = '42703',
        CONSTRAINT = 'column_missing',
        HINT = 'Name columns of the table, separated by commas.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.require_columns(regclass, name[]) FROM public;

CREATE PROCEDURE tenancy_private.require_named(table_name regclass, command text, named name[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF command <> 'DELETE' AND coalesce(cardinality(named), 0) = 0 THEN
        RAISE EXCEPTION 'name the columns of % for %', table_name, command
        USING ERRCODE = '22023',
        CONSTRAINT = 'columns_required',
        HINT = 'Columns that are not named stay closed, also those that are added later.';
    END IF;
    IF command = 'DELETE' AND named IS NOT NULL THEN
        RAISE EXCEPTION 'DELETE takes no columns'
        USING ERRCODE = '22023',
        CONSTRAINT = 'columns_invalid',
        HINT = 'A row is deleted as a whole.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.require_named(regclass, text, name[]) FROM public;

-- A tenant may not name the key, so it needs a default.
CREATE PROCEDURE tenancy_private.default_to_workspace(table_name regclass, key name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute AS a WHERE a.attrelid = table_name AND a.attname = key AND a.atthasdef
    ) THEN
        CALL tenancy_private.add_default(table_name, key, 'tenancy.default_workspace_id()');
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.default_to_workspace(regclass, name) FROM public;

CREATE PROCEDURE tenancy_private.require_type(table_name regclass, columns name[], wanted regtype)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong CONSTANT text := (
        SELECT string_agg(format('%s is %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ')
        FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND a.attname = ANY(columns) AND NOT a.attisdropped AND a.atttypid <> wanted
    );
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%: %, and must be %', table_name, wrong, wanted
        USING ERRCODE = '42804',
        CONSTRAINT = 'column_type_invalid',
        HINT = 'Name a column of that type, or change its type.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.require_type(regclass, name[], regtype) FROM public;

-- Names of columns, separated by commas: split and quoted, never pasted. They may be quoted as in
-- SQL; without quotes they keep their case.
CREATE FUNCTION tenancy_private.split_columns(columns text) RETURNS name[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN columns IS NOT NULL
        THEN ARRAY(
            SELECT
                CASE
                    WHEN n.name ~ '^".*"$'
                        THEN replace(substr(n.name, 2, length(n.name) - 2), '""', '"')
                    ELSE n.name
                END::name
            -- Each follows a comma, or begins the text.
            FROM regexp_matches(
                ',' || columns, ',([ \n\t]*"(?:[^"]|"")+"[ \n\t]*(?=,|$)|[^,]*)', 'g'
            ) WITH ORDINALITY AS m (part, place)
            CROSS JOIN LATERAL btrim(m.part[1], E' \n\t') AS n (name)
            WHERE columns <> ''
            ORDER BY m.place
        )
END;
REVOKE ALL ON FUNCTION tenancy_private.split_columns(text) FROM public;

-- A serial column reads its default from a sequence with the rights of the inserting login. (An
-- identity column requires none, and does not reveal its position.)
CREATE PROCEDURE tenancy_private.grant_sequences(table_name regclass, grantee name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing CONSTANT text := (
        SELECT string_agg(s.oid::regclass::text, ', ' ORDER BY s.oid)
        FROM pg_class AS s
        WHERE s.relkind = 'S'
            AND s.oid IN (
                SELECT d.refobjid FROM pg_depend AS d
                INNER JOIN pg_attrdef AS a ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
                WHERE a.adrelid = grant_sequences.table_name AND d.refclassid = 'pg_class'::regclass
            )
            AND CASE s.relkind WHEN 'S' THEN NOT has_sequence_privilege(grant_sequences.grantee, s.oid, 'USAGE') END
    );
BEGIN
    IF missing IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', missing, grantee);
        INSERT INTO tenancy_private.adopted_parts AS a (table_name, kind, name, was)
        VALUES (grant_sequences.table_name, 'sequence', grant_sequences.grantee, missing)
        ON CONFLICT ON CONSTRAINT adopted_parts_pkey DO UPDATE SET was = concat_ws(', ', a.was, excluded.was);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.grant_sequences(regclass, name) FROM public;

\ir ../../notes/done.psql
COMMIT;
