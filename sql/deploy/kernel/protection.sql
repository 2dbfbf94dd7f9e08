-- Deploy pg-tenancy:kernel/protection to pg
-- requires: kernel/protection_steps
-- requires: kernel/release

\set change kernel/protection
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Numbers in comments are those of docs/planner.md.

-- == Every write is checked before it reaches a row ==

CREATE FUNCTION tenancy.require_access(table_name regclass, command text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    wanted record;
BEGIN
    SELECT a.permission, a.person, a.workspace, p.number INTO wanted
    FROM tenancy_private.access AS a
    LEFT JOIN tenancy.permissions AS p ON a.permission = p.permission
    WHERE a.table_name = require_access.table_name AND a.command = require_access.command;
    -- A function of the application that calls this has no floor to rely on.
    PERFORM tenancy.current_workspace_id();
    IF wanted.permission IS NULL THEN
        PERFORM tenancy_private.refuse_permission(format('%s on %s', command, table_name));
    ELSIF substr(current_setting('tenancy.context'), 72 + wanted.number, 1) IS DISTINCT FROM '1' THEN
        PERFORM tenancy_private.refuse_permission(wanted.permission);
    END IF;
    IF wanted.person THEN
        PERFORM tenancy_private.require_person();
    END IF;
    IF wanted.workspace = 'organization' AND current_setting('tenancy.current_organization_id', true) = '' THEN
        RAISE EXCEPTION 'a personal workspace has no rows of %', table_name
        USING ERRCODE = '42501',
        CONSTRAINT = 'permission_denied',
        HINT = 'Enter an organization to create rows of its own. Platform staff change the platform''s rows in its '
        'workspace: tenancy.enter_platform().';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.require_access(regclass, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.require_access(regclass, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.require_access(regclass, text) IS
'Raises 42501 permission_denied or person_required unless the context may use a command, INSERT, UPDATE or DELETE, on a '
'protected table.';

-- A policy alone would turn a write without the permission into "UPDATE 0" (7). The trigger
-- runs as the caller, whom it must know: services, definer functions and superusers are not
-- checked. Its arguments are the positions in the context of the permissions for INSERT, UPDATE
-- and DELETE; if one is empty or the permission is missing, require_access() does the rest. The
-- floor verifies the context.
CREATE FUNCTION tenancy.check_permission() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF row_security_active(tg_relid) AND pg_has_role('tenancy_credentialed', 'USAGE') AND substr(
        current_setting('tenancy.context', true),
        nullif(tg_argv[CASE tg_op WHEN 'INSERT' THEN 0 WHEN 'UPDATE' THEN 1 ELSE 2 END], '')::integer,
        1
    ) IS DISTINCT FROM '1' THEN
        PERFORM tenancy.require_access(tg_relid, tg_op);
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.check_permission() FROM public;
COMMENT ON FUNCTION tenancy.check_permission() IS
'Statement-level trigger: raises 42501 permission_denied before an application role''s write reaches a row.';

-- == The calls that contracts are made of ==

CREATE PROCEDURE tenancy.protect(
    table_name regclass,
    key name DEFAULT 'workspace_id',
    parent name DEFAULT NULL,
    author name DEFAULT NULL,
    shared name DEFAULT NULL,
    catalogue boolean DEFAULT false,
    people text DEFAULT NULL
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    protected tenancy_private.protected_tables;
    command text;
    child record;
    numbers text;
BEGIN
    CALL tenancy_private.refuse_shipped(table_name);
    protected.table_name := table_name;
    protected.shape := CASE
        WHEN people IN ('self', 'members') THEN people
        WHEN catalogue THEN 'catalogue'
        WHEN parent IS NOT NULL THEN 'child'
        WHEN author IS NOT NULL THEN 'author'
        ELSE 'tenant'
    END;
    IF people IS NOT NULL AND (table_name <> 'public.users'::regclass OR people NOT IN ('self', 'members')) THEN
        RAISE EXCEPTION 'people (self or members) applies only to public.users'
        USING ERRCODE = '22023',
        CONSTRAINT = 'shape_invalid',
        HINT = 'A table whose rows have an author takes author => and shared =>.';
    END IF;
    protected.key := key;
    protected.parent := parent;
    protected.author := author;
    protected.shared := shared;
    IF shared IS NOT NULL AND author IS NULL OR num_nonnulls(parent, author, nullif(catalogue, false), people) > 1 THEN
        RAISE EXCEPTION 'a table can be a child, have authors or be a catalogue, but only one of them'
        USING ERRCODE = '22023',
        CONSTRAINT = 'shape_invalid',
        HINT = 'Give at most one of parent, author and catalogue; shared requires author.';
    END IF;
    IF catalogue AND key <> 'workspace_id' THEN
        RAISE EXCEPTION 'a catalogue cannot have a key of its own'
        USING ERRCODE = '22023',
        CONSTRAINT = 'shape_invalid',
        HINT = 'Its public rows are the platform''s, which is no organization: leave key out.';
    END IF;
    CALL tenancy_private.check_adoptable(table_name);
    CALL tenancy_private.require_columns(table_name, ARRAY[nullif(key, 'workspace_id'), parent, author, shared]);
    CALL tenancy_private.require_type(table_name, ARRAY[key, author], 'uuid');
    CALL tenancy_private.require_type(table_name, ARRAY[shared], 'boolean');
    IF key = 'workspace_id' THEN
        CALL tenancy_private.adopt_table(table_name, parent, author);
    ELSIF people IS NULL THEN
        CALL tenancy_private.warn_of_orphans(table_name, key);
    END IF;
    CALL tenancy_private.close_protected(protected);
    -- Triggers of children call it and its columns by their names.
    FOR child IN
        SELECT p.table_name AS name, p.parent
        FROM tenancy_private.protected_tables AS p
        WHERE p.shape = 'child'
            AND EXISTS (
                SELECT FROM pg_constraint AS k
                WHERE k.conrelid = p.table_name AND k.confrelid = protect.table_name AND k.contype = 'f'
            )
            AND EXISTS (
                SELECT FROM pg_trigger AS t
                WHERE t.tgrelid = p.table_name AND t.tgfoid = 'tenancy_private.set_child_workspace()'::regprocedure
            )
    LOOP
        CALL tenancy_private.set_child_trigger(child.name, child.parent);
    END LOOP;
    FOREACH command IN ARRAY ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] LOOP
        CALL tenancy_private.set_floor(protected, command);
    END LOOP;
    -- PostgreSQL applies restrictive policies in the order of their names: this comes after the
    -- floor.
    IF protected.shape = 'author' THEN
        CALL tenancy_private.add_policy(
            table_name, 'tenant_author', 'RESTRICTIVE', 'SELECT', 'tenancy_credentialed',
            tenancy_private.author_floor(author, coalesce(quote_ident(shared), 'false'))
        );
    ELSIF protected.shape = 'child' THEN
        CALL tenancy_private.follow_parent(protected);
    END IF;
    CALL tenancy_private.open_to_children(protected);
    EXECUTE format('GRANT SELECT (%I) ON %s TO tenancy_credentialed, tenancy_auditor', key, table_name);
    CALL tenancy_private.record_contract(table_name);
    CALL tenancy_private.set_permission_trigger(table_name);
    CALL tenancy_private.set_key_trigger(table_name);
    numbers := array_to_string(tenancy_private.shared_numbers(table_name, key), ', ');
    IF numbers <> '' THEN
        RAISE NOTICE 'tenants leave these columns of % to their defaults: %', table_name, numbers
        USING HINT = format('All tenants share their numbers, unless the unique keys that they are in begin with %I.', key);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy.protect(regclass, name, name, name, name, boolean, text) FROM public;
COMMENT ON PROCEDURE tenancy.protect (regclass, name, name, name, name, boolean, text) IS
'Isolates a table by the column with the owner of each row. Nobody in a workspace has access until allow() is called.';

CREATE PROCEDURE tenancy.allow(
    table_name regclass,
    command text,
    permission text,
    columns text DEFAULT NULL,
    person boolean DEFAULT false,
    "for" text DEFAULT NULL -- noqa: RF06
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named CONSTANT name[] := tenancy_private.split_columns(columns);
    moderation CONSTANT text := split_part(permission, '.', 1) || '.moderate';
    condition text;
    numbered name;
    protected tenancy_private.protected_tables;
BEGIN
    CALL tenancy_private.refuse_shipped(table_name);
    SELECT p.* INTO protected FROM tenancy_private.protected_tables AS p WHERE p.table_name = allow.table_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is not protected', table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'table_not_protected',
        HINT = format('CALL tenancy.protect(%L) first.', table_name::text);
    END IF;
    IF command IS NULL OR command NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') THEN
        RAISE EXCEPTION 'command must be SELECT, INSERT, UPDATE or DELETE'
        USING ERRCODE = '22023',
        CONSTRAINT = 'command_invalid',
        HINT = 'Write it in capitals.';
    END IF;
    IF protected.shape = 'published' AND command <> 'SELECT' THEN
        RAISE EXCEPTION 'tenants cannot write %: it is published', table_name
        USING ERRCODE = '22023',
        CONSTRAINT = 'command_invalid',
        HINT = 'Services write it. A table with rows of tenants beside public ones is protected with catalogue => true.';
    END IF;
    IF permission IS NOT NULL AND NOT EXISTS (SELECT FROM tenancy.permissions AS p WHERE p.permission = allow.permission) THEN
        RAISE EXCEPTION 'permission % is not defined', permission
        USING ERRCODE = '22023',
        CONSTRAINT = 'permission_invalid',
        HINT = format('SELECT tenancy.define_permission(%L, roles => ...) first.', permission);
    END IF;
    IF permission IS NULL AND command <> 'SELECT' THEN
        RAISE EXCEPTION 'a write requires a permission'
        USING ERRCODE = '22023',
        CONSTRAINT = 'permission_invalid',
        HINT = 'Only SELECT can be allowed to everybody in a workspace, with NULL.';
    END IF;
    IF "for" <> 'organization' THEN
        RAISE EXCEPTION 'for must be organization, or left out'
        USING ERRCODE = '22023',
        CONSTRAINT = 'workspace_invalid',
        HINT = '"for" => ''organization'' keeps personal workspaces out.';
    END IF;
    IF EXISTS (
        SELECT FROM tenancy_private.access AS a WHERE (a.table_name, a.command) = (allow.table_name, allow.command)
    ) THEN
        RAISE EXCEPTION '% on % is already allowed', command, table_name
        USING ERRCODE = '42710',
        CONSTRAINT = 'command_allowed',
        HINT = format(
            CASE protected.shape
                WHEN 'published' THEN 'CALL tenancy.publish(%L, columns => ...) begins anew.'
                ELSE 'CALL tenancy.protect(%L) begins anew: then allow each command once.'
            END,
            table_name::text
        );
    END IF;
    CALL tenancy_private.require_named(table_name, command, named);
    IF command <> 'SELECT' AND protected.key = ANY(named) THEN
        RAISE EXCEPTION 'tenants cannot write %.%', table_name, protected.key
        USING ERRCODE = '22023',
        CONSTRAINT = 'columns_invalid',
        HINT = 'This column holds the owner of a row: new rows land in the current workspace by themselves.';
    END IF;
    CALL tenancy_private.require_columns(table_name, named);
    IF command IN ('INSERT', 'UPDATE') THEN
        CALL tenancy_private.require_own_references(table_name, protected.key, named);
    END IF;
    SELECT min(n.name) INTO numbered
    FROM unnest(tenancy_private.shared_numbers(table_name, protected.key)) AS n (name)
    WHERE n.name = ANY(named);
    IF command IN ('INSERT', 'UPDATE') AND numbered IS NOT NULL THEN
        RAISE EXCEPTION 'tenants cannot write %.%: all tenants share its numbers', table_name, numbered
        USING ERRCODE = '22023',
        CONSTRAINT = 'columns_invalid',
        HINT = format(
            'A number that is taken would tell that somebody else has it: leave the column to its default, or begin its '
            'unique keys with %I.', protected.key
        );
    END IF;

    INSERT INTO tenancy_private.access AS a (table_name, command, permission, columns, person, workspace)
    VALUES (
        allow.table_name, allow.command, allow.permission, named,
        -- A program with a key is not an author, and gets an error instead of a policy's
        -- silence.
        allow.person OR protected.shape = 'author' AND allow.command <> 'SELECT',
        allow."for"
    );

    CALL tenancy_private.set_floor(protected, command, tenancy_private.may(permission, person, "for"));
    -- The floor decides on permission and rows; this policy only grants access. For accounts it
    -- contains a condition for the index, so that no hidden row is reached and counted.
    CALL tenancy_private.add_policy(
        table_name, lower(command), 'PERMISSIVE', command, 'tenancy_credentialed',
        CASE protected.shape
            WHEN 'members' THEN format('%I = ANY((SELECT tenancy.visible_user_ids())::uuid[])', protected.key)
            ELSE format('%I IS NOT NULL', protected.key)
        END
    );
    -- Authors write their own rows; moderators in the row's workspace also write shared ones.
    -- The workspace is verified here, because the floor may have verified another seal (8).
    IF protected.shape = 'author' AND command <> 'SELECT' THEN
        condition := 'false';
        IF command <> 'INSERT' AND protected.shared IS NOT NULL
            AND EXISTS (SELECT FROM tenancy.permissions AS p WHERE p.permission = moderation)
        THEN
            condition := format(
                '%I AND %I = ANY(ARRAY[(SELECT %s)])',
                protected.shared, protected.key,
                tenancy_private.only_if(
                    tenancy_private.may(moderation, true, "for"), 'tenancy.current_workspace_id()'
                )
            );
        END IF;
        CALL tenancy_private.add_policy(
            table_name, 'tenant_' || lower(command) || '_author', 'RESTRICTIVE', command, 'tenancy_credentialed',
            tenancy_private.author_floor(protected.author, condition)
        );
    ELSIF protected.shape = 'child' AND command <> 'SELECT' THEN
        condition := tenancy_private.parent_floor(table_name, protected.parent, true);
        IF condition IS NOT NULL THEN
            CALL tenancy_private.add_policy(
                table_name, 'tenant_' || lower(command) || '_parent', 'RESTRICTIVE', command, 'tenancy_credentialed',
                condition
            );
        END IF;
    END IF;
    EXECUTE format(
        'GRANT %s%s ON %s TO tenancy_credentialed', command,
        (SELECT ' (' || string_agg(quote_ident(c.name), ', ') || ')' FROM unnest(named) AS c (name)), table_name
    );
    IF command = 'INSERT' THEN
        CALL tenancy_private.grant_sequences(table_name, 'tenancy_credentialed');
        CALL tenancy_private.default_to_workspace(table_name, protected.key);
        -- For refuse_taken_key().
        CALL tenancy_private.grant_rights(table_name, 'tenancy_owner', ARRAY['SELECT']);
    END IF;
    IF command = 'SELECT' THEN
        EXECUTE format(
            'GRANT SELECT (%s) ON %s TO tenancy_auditor',
            (SELECT string_agg(quote_ident(c.name), ', ') FROM unnest(named) AS c (name)), table_name
        );
    END IF;
    CALL tenancy_private.record_contract(table_name);
    IF command <> 'SELECT' THEN
        CALL tenancy_private.set_permission_trigger(table_name);
        CALL tenancy_private.set_key_trigger(table_name);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy.allow(regclass, text, text, text, boolean, text) FROM public;
COMMENT ON PROCEDURE tenancy.allow (regclass, text, text, text, boolean, text) IS
'Allows holders of a permission to use a command on a protected table, on the given columns. person => true excludes '
'API keys, "for" => ''organization'' personal workspaces.';

-- Functions read a parent for its children, and a table to which tenants add rows. After the last
-- of these they need not.
CREATE PROCEDURE tenancy_private.revoke_unneeded_read(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    granted text;
BEGIN
    IF EXISTS (
        SELECT FROM tenancy_private.access AS a
        WHERE a.table_name = revoke_unneeded_read.table_name AND a.command = 'INSERT'
    ) OR EXISTS (
        SELECT FROM tenancy_private.protected_tables AS p
        INNER JOIN pg_constraint AS k ON p.table_name = k.conrelid AND k.contype = 'f'
        WHERE p.shape = 'child' AND k.confrelid = revoke_unneeded_read.table_name
    ) THEN
        RETURN;
    END IF;
    DELETE FROM tenancy_private.adopted_parts AS a
    WHERE a.table_name = revoke_unneeded_read.table_name AND a.kind = 'rights' AND a.name = 'tenancy_owner' AND a.change IS NULL
    RETURNING a.was INTO granted;
    IF granted IS NOT NULL THEN
        EXECUTE format('REVOKE %s ON %s FROM tenancy_owner', granted, table_name);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.revoke_unneeded_read(regclass) FROM public;

-- For a table that was dropped without unprotect(): only its oid is left.
CREATE PROCEDURE tenancy_private.forget_table(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    referred regclass;
BEGIN
    DELETE FROM tenancy_private.contracts AS c WHERE c.table_name = forget_table.table_name;
    DELETE FROM tenancy_private.closed_tables AS c WHERE c.table_name = forget_table.table_name;
    CALL tenancy_private.leave_schema(table_name);
    DELETE FROM tenancy_private.adopted_parts AS a WHERE a.table_name = forget_table.table_name;
    -- Its parent is not known any more.
    FOR referred IN
        SELECT a.table_name
        FROM tenancy_private.adopted_parts AS a
        INNER JOIN pg_class AS c ON a.table_name = c.oid
        WHERE a.kind = 'rights' AND a.name = 'tenancy_owner' AND a.change IS NULL
    LOOP
        CALL tenancy_private.revoke_unneeded_read(referred);
    END LOOP;
    CALL tenancy_private.drop_legacy_logins(ARRAY[table_name]);
    CALL tenancy_private.drop_idle_key_checks();
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.forget_table(regclass) FROM public;

-- The way back: a table of the application is again as open as its grants, and as it was
-- before; one of pg-tenancy's own is closed, as when it was created. Columns and rows stay.
CREATE PROCEDURE tenancy.unprotect(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema_id CONSTANT oid := (SELECT c.relnamespace FROM pg_class AS c WHERE c.oid = table_name);
    protected record;
    parent name;
    parents regclass;
BEGIN
    CALL tenancy_private.refuse_shipped(table_name);
    DELETE FROM tenancy_private.protected_tables AS p
    WHERE p.table_name = unprotect.table_name
    RETURNING p.* INTO protected;
    -- As it is called now.
    SELECT a.attname, c.confrelid::regclass INTO parent, parents
    FROM pg_constraint AS c
    INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND a.attnum = ANY(c.conkey)
    INNER JOIN tenancy_private.adopted_parts AS p
        ON coalesce(pg_partition_root(c.conrelid), c.conrelid) = p.table_name AND c.conname = p.name
    WHERE p.table_name = unprotect.table_name AND p.kind = 'constraint' AND cardinality(c.conkey) = 2
        AND a.attname <> 'workspace_id'
    LIMIT 1;
    IF protected.table_name IS NULL AND tenancy_private.has_part(table_name, 'column', 'workspace_id', NULL) THEN
        -- Steps of an unfinished pg-tenancy protect.
        CALL tenancy_private.release_table(table_name, parent);
        CALL tenancy_private.revoke_unneeded_read(parents);
        DELETE FROM tenancy_private.wanted_indexes AS w WHERE w.table_name = unprotect.table_name;
        CALL tenancy_private.drop_legacy_logins(ARRAY[table_name], true);
        RETURN;
    ELSIF protected.table_name IS NULL THEN
        RAISE EXCEPTION '% is not protected', table_name
        USING ERRCODE = '55000',
        CONSTRAINT = 'table_not_protected',
        HINT = 'pg-tenancy protects what protect() and publish() were called for.';
    END IF;
    IF schema_id IS NULL THEN
        CALL tenancy_private.forget_table(table_name);
        RETURN;
    END IF;
    CALL tenancy_private.drop_triggers_calling(table_name, 'check_permission');
    CALL tenancy_private.drop_key_trigger(table_name);
    IF schema_id = 'tenancy'::regnamespace THEN
        CALL tenancy_private.close_own_table(table_name);
    ELSE
        CALL tenancy_private.reopen_table(table_name);
        CALL tenancy_private.release_table(table_name, parent);
        CALL tenancy_private.revoke_unneeded_read(parents);
        CALL tenancy_private.drop_legacy_logins(ARRAY[table_name], true);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy.unprotect(regclass) FROM public;
COMMENT ON PROCEDURE tenancy.unprotect (regclass) IS
'Undoes what protect(), allow() and publish() did to a table. Raises 55000 table_not_protected.';

-- For a table that everybody in a workspace may read, and that services and DBAs write.
CREATE PROCEDURE tenancy.publish(table_name regclass, columns text)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named CONSTANT name[] := tenancy_private.split_columns(columns);
    published tenancy_private.protected_tables;
BEGIN
    CALL tenancy_private.refuse_shipped(table_name);
    CALL tenancy_private.check_adoptable(table_name);
    CALL tenancy_private.require_named(table_name, 'SELECT', named);
    CALL tenancy_private.require_columns(table_name, named);
    published.table_name := table_name;
    published.shape := 'published';
    published.key := named[1];
    CALL tenancy_private.close_protected(published);
    INSERT INTO tenancy_private.access (table_name, command, columns) VALUES (publish.table_name, 'SELECT', named);
    CALL tenancy_private.add_policy(
        table_name, 'select', 'PERMISSIVE', 'SELECT', 'tenancy_credentialed',
        tenancy_private.gate('tableoid', 'tenancy.current_workspace_id() IS NOT NULL')
    );
    EXECUTE format(
        'GRANT SELECT (%s) ON %s TO tenancy_credentialed, tenancy_auditor, tenancy_service',
        (SELECT string_agg(quote_ident(c.name), ', ') FROM unnest(named) AS c (name)), table_name
    );
    CALL tenancy_private.record_contract(table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy.publish(regclass, text) FROM public;
COMMENT ON PROCEDURE tenancy.publish (regclass, text) IS
'Allows everybody in a workspace to read the given columns of a table that belongs to no tenant.';

-- For clients that compose INSERT and UPDATE, and to find out why one is refused: PostgreSQL's
-- message names only the table.
CREATE FUNCTION tenancy.writable_columns(table_name regclass)
RETURNS TABLE (column_name name, can_insert boolean, can_update boolean)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
BEGIN ATOMIC
    SELECT
        c.name AS column_name,
        bool_or(a.command = 'INSERT') AS can_insert,
        bool_or(a.command = 'UPDATE') AS can_update
    FROM tenancy_private.access AS a
    CROSS JOIN LATERAL unnest(a.columns) AS c (name)
    WHERE a.table_name = writable_columns.table_name -- noqa: RF01
        AND a.command IN ('INSERT', 'UPDATE')
    GROUP BY c.name
    ORDER BY c.name;
END;
REVOKE ALL ON FUNCTION tenancy.writable_columns(regclass) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.writable_columns(regclass)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.writable_columns(regclass) IS
'The columns of a protected table that tenants may name in INSERT and in UPDATE, whatever their role.';

-- For the verify scripts.
CREATE PROCEDURE tenancy_private.verify_protected(VARIADIC tables regclass[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong CONSTANT text := (
        SELECT string_agg(t.name || ': ' || coalesce(b.problem, 'it is not protected'), E'\n')
        FROM unnest(tables) AS t (name)
        LEFT JOIN LATERAL tenancy_private.broken_contracts(t.name) AS b ON true
        WHERE b.problem IS NOT NULL
            OR NOT EXISTS (SELECT FROM tenancy_private.protected_tables AS p WHERE p.table_name = t.name)
    );
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION E'tables differ from their contracts:\n%', wrong
        USING ERRCODE = '55000',
        CONSTRAINT = 'contract_broken';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_protected(regclass[]) FROM public;

\ir ../../notes/done.psql
COMMIT;
