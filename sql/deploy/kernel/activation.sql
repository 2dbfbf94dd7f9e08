-- Deploy pg-tenancy:kernel/activation to pg
-- requires: kernel/protection
-- requires: kernel/tenant_tables
-- requires: kernel/memberships_functions

\set change kernel/activation
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- An organization's object becomes operational after two approvals, a technical and an economic
-- one. The tables to which this applies are data.
CREATE TABLE tenancy_private.activatable (
    kind         text        NOT NULL,
    table_name   regclass    NOT NULL,
    subject      text        NOT NULL,
    is_adopted   boolean     NOT NULL,
    is_generated boolean     NOT NULL,
    activated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT activatable_pkey PRIMARY KEY (kind),
    CONSTRAINT activatable_table_name_key UNIQUE (table_name),
    CONSTRAINT activatable_kind_check CHECK (kind ~ '^[a-z_]+$')
);
CALL tenancy_private.close_own_table('tenancy_private.activatable');
COMMENT ON TABLE tenancy_private.activatable IS
'Kinds of objects with two activations, and their tables. subject is the first word of their permissions; '
'is_adopted: the application had the columns; is_generated: it computes is_operational itself; activated_at: when '
'the deploy activated existing rows.';

-- Deactivations of rows that another transaction had locked: nobody can keep an object alive by
-- leaving a transaction open. The next change of the row applies them.
CREATE TABLE tenancy_private.pending_deactivations (
    kind   text NOT NULL,
    id     uuid NOT NULL,
    aspect text NOT NULL,
    CONSTRAINT pending_deactivations_pkey PRIMARY KEY (kind, id, aspect)
);
CALL tenancy_private.close_own_table('tenancy_private.pending_deactivations');
COMMENT ON TABLE tenancy_private.pending_deactivations IS
'Deactivations that have not reached their row yet, because another transaction locks it.';

CREATE FUNCTION tenancy_private.activatable_of(kind text) RETURNS tenancy_private.activatable
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found tenancy_private.activatable;
BEGIN
    SELECT a.* INTO found FROM tenancy_private.activatable AS a WHERE a.kind = activatable_of.kind;
    IF found.kind IS NULL THEN
        RAISE EXCEPTION 'the kind % has no activations', coalesce(quote_literal(activatable_of.kind), 'NULL')
        USING ERRCODE = '22023',
        CONSTRAINT = 'kind_invalid',
        HINT = format('Kinds: %s.', coalesce(
            (SELECT string_agg(a.kind, ', ' ORDER BY a.kind) FROM tenancy_private.activatable AS a), 'none'
        ));
    END IF;
    RETURN found;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.activatable_of(text) FROM public;

CREATE FUNCTION tenancy_private.refuse_object(kind text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'this workspace has no such %', CASE kind WHEN 'api_key' THEN 'API key' ELSE replace(kind, '_', ' ') END
    USING ERRCODE = 'P0002',
    CONSTRAINT = kind || '_not_found',
    HINT = format('The table %s shows those of the current workspace.', (
        SELECT n.nspname || '.' || c.relname
        FROM tenancy_private.activatable AS a
        INNER JOIN pg_class AS c ON a.table_name = c.oid
        INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
        WHERE a.kind = refuse_object.kind
    ));
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_object(text) FROM public;

CREATE FUNCTION tenancy_private.is_organization(workspace_id uuid) RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM tenancy.workspaces AS w
        WHERE w.id = is_organization.workspace_id AND w.organization_id IS NOT NULL
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.is_organization(uuid) FROM public;

-- The workspace of a row, or NULL without one, and its missing activations.
CREATE FUNCTION tenancy_private.activation_of(
    activatable tenancy_private.activatable, id uuid, OUT workspace_id uuid, OUT missing text[]
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format(
        'SELECT t.%I, array_remove(ARRAY['
        'CASE WHEN t.tech_activated_at IS NULL OR ''tech'' = ANY(p.aspects) THEN ''tech'' END, '
        'CASE WHEN t.eco_activated_at IS NULL OR ''eco'' = ANY(p.aspects) THEN ''eco'' END], NULL) '
        'FROM %s AS t CROSS JOIN (SELECT ARRAY(SELECT d.aspect FROM tenancy_private.pending_deactivations AS d '
        'WHERE d.kind = $1 AND d.id = $2) AS aspects) AS p WHERE t.id = $2',
        (SELECT p.key FROM tenancy_private.protected_tables AS p WHERE p.table_name = activatable.table_name),
        activatable.table_name
    ) INTO workspace_id, missing USING activatable.kind, activation_of.id;
    -- Where the application already had the columns, they apply to every row.
    IF NOT activatable.is_adopted AND NOT tenancy_private.is_organization(workspace_id) THEN
        missing := '{}';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.activation_of(tenancy_private.activatable, uuid) FROM public;

-- Names the missing activation and the roles that can give it.
CREATE FUNCTION tenancy_private.refuse_use(
    activatable tenancy_private.activatable, id uuid, missing text[]
) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% % is not operational: it lacks the % activation',
        CASE activatable.kind WHEN 'api_key' THEN 'API key' ELSE replace(activatable.kind, '_', ' ') END,
        refuse_use.id,
        CASE missing WHEN '{tech}' THEN 'technical' WHEN '{eco}' THEN 'economic' ELSE 'technical and the economic' END
    USING ERRCODE = '55000',
    CONSTRAINT = 'not_operational',
    HINT = (
        SELECT string_agg(
            format(
                'tenancy.activate(%L, id, %L) is for the %s.', activatable.kind, m.aspect, coalesce(h.holders, 'holders of '
                || activatable.subject || '.activate_' || m.aspect || ', which no role is')
            ), ' ' ORDER BY m.aspect DESC
        )
        FROM unnest(missing) AS m (aspect)
        LEFT JOIN LATERAL (
            SELECT 'roles ' || string_agg(
                p.role, ', ' ORDER BY array_position(ARRAY['owner', 'admin', 'manager', 'user', 'staff'], p.role)
            ) AS holders
            FROM tenancy.role_permissions AS p
            WHERE p.permission = activatable.subject || '.activate_' || m.aspect
        ) AS h ON true
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_use(tenancy_private.activatable, uuid, text[])
FROM public;

-- A workspace can ask about its own rows and about public ones, if the table has any; a service
-- about every row.
CREATE FUNCTION tenancy.require_operational(kind text, id uuid) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    login CONSTANT name := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
    is_service CONSTANT boolean := pg_has_role(login, 'tenancy_service', 'USAGE');
    current_workspace CONSTANT uuid := CASE WHEN NOT is_service THEN tenancy.current_workspace_id() END;
    activatable CONSTANT tenancy_private.activatable := tenancy_private.activatable_of(kind);
    use CONSTANT text := activatable.subject || '.use';
    found CONSTANT record := tenancy_private.activation_of(activatable, id);
BEGIN
    IF NOT is_service AND EXISTS (SELECT FROM tenancy.permissions AS p WHERE p.permission = use) THEN
        PERFORM tenancy.require_permission(use);
    END IF;
    IF found.workspace_id IS NULL OR NOT is_service AND found.workspace_id <> current_workspace AND NOT (
        found.workspace_id = '00000000-0000-0000-0000-000000000000' AND EXISTS (
            SELECT FROM tenancy_private.protected_tables AS p
            WHERE p.table_name = activatable.table_name AND p.shape = 'catalogue'
        )
    ) THEN
        PERFORM tenancy_private.refuse_object(kind);
    END IF;
    IF found.missing <> '{}' THEN
        PERFORM tenancy_private.refuse_use(activatable, id, found.missing);
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.require_operational(text, uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.require_operational(text, uuid)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.require_operational(text, uuid) IS
'Raises 55000 not_operational, naming the missing activations and the roles that can give them, unless both exist. '
'Raises 22023 kind_invalid, P0002 <kind>_not_found, and 42501 permission_denied where the kind has a permission use.';

-- One entry for each activation that was given or revoked.
CREATE FUNCTION tenancy_private.record_activation(
    kind text, workspace_id uuid, id uuid, aspect text, old_values jsonb, new_values jsonb
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at_column CONSTANT text := aspect || '_activated_at';
    by_column CONSTANT text := aspect || '_activated_by';
    -- A service writes without a context; a forged context still raises.
    entered CONSTANT boolean := coalesce(current_setting('tenancy.context', true), '') <> '';
    acting_user CONSTANT uuid := CASE WHEN entered THEN tenancy.current_user_id() END;
    acting_organization CONSTANT uuid := CASE WHEN entered THEN tenancy.current_organization_id() END;
    acting_role CONSTANT text := CASE WHEN entered THEN tenancy.current_role() END;
BEGIN
    INSERT INTO tenancy.audit_log (
        workspace_id, user_id, organization_id, role, action, object_kind, object_id, old_values, new_values
    )
    VALUES (
        record_activation.workspace_id,
        acting_user,
        acting_organization,
        acting_role,
        format('%s.%s_%s', kind, CASE WHEN new_values ->> at_column IS NULL THEN 'deactivate' ELSE 'activate' END, aspect),
        kind,
        record_activation.id::text,
        jsonb_build_object(at_column, old_values -> at_column, by_column, old_values -> by_column),
        jsonb_build_object(at_column, new_values -> at_column, by_column, new_values -> by_column)
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.record_activation(text, uuid, uuid, text, jsonb, jsonb)
FROM public;

-- Both activations of an object are set here: act_in_organization() makes simultaneous callers
-- wait for each other, and looks up the role again.
CREATE FUNCTION tenancy_private.set_activation(
    kind text, id uuid, aspect text, wanted boolean
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    activatable CONSTANT tenancy_private.activatable := tenancy_private.activatable_of(kind);
    at_column CONSTANT text := aspect || '_activated_at';
    by_column CONSTANT text := aspect || '_activated_by';
    acting record;
    key name;
    current_row jsonb;
    pending record;
BEGIN
    IF aspect IS NULL OR aspect NOT IN ('tech', 'eco') THEN
        RAISE EXCEPTION 'unknown activation %', coalesce(quote_literal(aspect), 'NULL')
        USING ERRCODE = '22023',
        CONSTRAINT = 'aspect_invalid',
        HINT = 'The aspect must be tech or eco.';
    END IF;
    acting := tenancy_private.act_in_organization(activatable.subject || '.activate_' || aspect);
    SELECT p.key INTO key FROM tenancy_private.protected_tables AS p WHERE p.table_name = activatable.table_name;

    -- Objects that were deactivated while another transaction had locked them.
    FOR pending IN
        SELECT d.id, d.aspect FROM tenancy_private.pending_deactivations AS d WHERE d.kind = set_activation.kind
    LOOP
        EXECUTE format(
            'SELECT to_jsonb(t) FROM %s AS t WHERE t.id = $1 AND t.%I = $2 FOR NO KEY UPDATE SKIP LOCKED',
            activatable.table_name, key
        ) INTO current_row USING pending.id, acting.organization_id;
        IF current_row IS NOT NULL THEN
            PERFORM tenancy_private.update_rows(
                activatable.table_name, jsonb_build_object('id', pending.id),
                jsonb_build_object(pending.aspect || '_activated_at', NULL, pending.aspect || '_activated_by', NULL)
            );
            DELETE FROM tenancy_private.pending_deactivations AS d
            WHERE d.kind = set_activation.kind AND d.id = pending.id AND d.aspect = pending.aspect;
        END IF;
    END LOOP;

    EXECUTE format(
        'SELECT to_jsonb(t) FROM %s AS t WHERE t.id = $1 AND t.%I = $2 FOR NO KEY UPDATE%s',
        activatable.table_name, key, CASE WHEN NOT wanted THEN ' SKIP LOCKED' END
    ) INTO current_row USING set_activation.id, acting.organization_id;
    IF current_row IS NOT NULL THEN
        IF (current_row ->> at_column IS NOT NULL) <> wanted OR EXISTS (
            SELECT FROM tenancy_private.pending_deactivations AS d
            WHERE (d.kind, d.id, d.aspect) = (set_activation.kind, set_activation.id, set_activation.aspect)
        ) THEN
            PERFORM tenancy_private.update_rows(
                activatable.table_name, jsonb_build_object('id', set_activation.id),
                CASE
                    WHEN wanted THEN jsonb_build_object(at_column, clock_timestamp(), by_column, acting.user_id)
                    ELSE jsonb_build_object(at_column, NULL, by_column, NULL)
                END
            );
            DELETE FROM tenancy_private.pending_deactivations AS d
            WHERE (d.kind, d.id, d.aspect) = (set_activation.kind, set_activation.id, set_activation.aspect);
        END IF;
    ELSE
        -- It is locked by another transaction, or does not exist.
        EXECUTE format('SELECT to_jsonb(t) FROM %s AS t WHERE t.id = $1 AND t.%I = $2', activatable.table_name, key)
        INTO current_row USING set_activation.id, acting.organization_id;
        IF current_row IS NULL THEN
            PERFORM tenancy_private.refuse_object(kind);
        END IF;
        INSERT INTO tenancy_private.pending_deactivations (kind, id, aspect)
        SELECT set_activation.kind, set_activation.id, set_activation.aspect
        WHERE current_row ->> at_column IS NOT NULL
        ON CONFLICT ON CONSTRAINT pending_deactivations_pkey DO NOTHING;
        IF FOUND THEN
            PERFORM tenancy_private.record_activation(
                kind, acting.organization_id, set_activation.id, set_activation.aspect, current_row, '{}'
            );
        END IF;
    END IF;
    RETURN a.missing = '{}' FROM tenancy_private.activation_of(activatable, set_activation.id) AS a;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.set_activation(text, uuid, text, boolean) FROM public;

CREATE FUNCTION tenancy.activate(kind text, id uuid, aspect text) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    RETURN tenancy_private.set_activation(kind, id, aspect, true);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.activate(text, uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.activate(text, uuid, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.activate(text, uuid, text) IS
'Gives an object of the current organization its activation tech or eco, and returns whether it is operational now. '
'An existing activation keeps its account and time. Requires <subject>.activate_tech or <subject>.activate_eco. '
'Raises 42501 permission_denied, person_required, 55000 organization_required, 22023 kind_invalid, aspect_invalid, '
'P0002 <kind>_not_found.';

CREATE FUNCTION tenancy.deactivate(kind text, id uuid, aspect text) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    RETURN tenancy_private.set_activation(kind, id, aspect, false);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.deactivate(text, uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.deactivate(text, uuid, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.deactivate(text, uuid, text) IS
'Revokes an activation: from the next transaction on the object cannot be used. Does not wait for its users. '
'Requires and raises what tenancy.activate() does.';

-- == What hangs on a table ==

-- If pg-tenancy added the columns, only the two functions and the deployer write them. The
-- trigger runs as the caller: tenants have no right to these columns, but services have.
CREATE FUNCTION tenancy_private.refuse_activation_write() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    writes CONSTANT boolean := CASE tg_op
        WHEN 'INSERT' THEN coalesce(new.is_operational, false) OR num_nonnulls(
            new.tech_activated_at, new.tech_activated_by, new.eco_activated_at, new.eco_activated_by
        ) > 0
        ELSE (
            new.tech_activated_at, new.tech_activated_by, new.eco_activated_at, new.eco_activated_by, new.is_operational
        ) IS DISTINCT FROM (
            old.tech_activated_at, old.tech_activated_by, old.eco_activated_at, old.eco_activated_by, old.is_operational
        )
    END;
BEGIN
    IF writes AND current_user <> 'tenancy_writer' AND NOT pg_has_role('tenancy_owner', 'MEMBER') THEN
        RAISE EXCEPTION 'only functions may write the activations in %.%', tg_table_schema, tg_table_name
        USING ERRCODE = '42501',
        CONSTRAINT = 'activation_by_function',
        HINT = 'Leave the columns out, and call tenancy.activate() or tenancy.deactivate() in the organization.';
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_activation_write() FROM public;

-- Keeps is_operational consistent with the activations and the workspace. A row that
-- moves to another organization is activated there; rows of a person or of the platform
-- stay operational. Arguments: the column with the owner of a row, workspace_id or
-- organization_id; whether the application had the columns, which then apply to every row;
-- and whether it generates is_operational.
CREATE FUNCTION tenancy_private.keep_activation() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    nil CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    is_adopted CONSTANT boolean := tg_argv[1];
    is_generated CONSTANT boolean := tg_argv[2];
    workspace uuid;
    workspace_before uuid;
    of_organization boolean;
BEGIN
    -- Without to_jsonb(), which would cost more than everything else here. In an INSERT, old is
    -- NULL.
    IF tg_argv[0] = 'workspace_id' THEN
        workspace := new.workspace_id;
        workspace_before := old.workspace_id;
    ELSE
        workspace := new.organization_id;
        workspace_before := old.organization_id;
    END IF;
    -- Columns that pg-tenancy added have been consistent from the start, so most updates end
    -- here.
    IF NOT is_adopted AND workspace_before = workspace AND (
        new.tech_activated_at, new.tech_activated_by, new.eco_activated_at, new.eco_activated_by, new.is_operational
    ) IS NOT DISTINCT FROM (
        old.tech_activated_at, old.tech_activated_by, old.eco_activated_at, old.eco_activated_by, old.is_operational
    ) THEN
        RETURN new;
    END IF;
    of_organization := tenancy_private.is_organization(workspace);
    IF new.tech_activated_by IS NOT NULL THEN
        new.tech_activated_at := coalesce(new.tech_activated_at, now());
    END IF;
    IF new.eco_activated_by IS NOT NULL THEN
        new.eco_activated_at := coalesce(new.eco_activated_at, now());
    END IF;
    IF workspace_before <> workspace AND workspace_before <> nil AND of_organization THEN
        new.tech_activated_at := NULL;
        new.tech_activated_by := NULL;
        new.eco_activated_at := NULL;
        new.eco_activated_by := NULL;
    ELSIF (
        NOT is_adopted AND workspace_before = nil AND of_organization
        OR is_adopted AND NOT of_organization AND workspace_before IS DISTINCT FROM workspace
    ) AND num_nonnulls(new.tech_activated_at, new.eco_activated_at) = 0 THEN
        new.tech_activated_at := now();
        new.eco_activated_at := now();
    END IF;
    IF NOT is_generated THEN
        new.is_operational := NOT is_adopted AND NOT of_organization OR num_nonnulls(new.tech_activated_at, new.eco_activated_at) = 2;
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.keep_activation() FROM public;

-- Arguments: the kind, and the column with the owner of a row.
CREATE FUNCTION tenancy_private.audit_activation() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    was CONSTANT jsonb := to_jsonb(old);
    is_now CONSTANT jsonb := to_jsonb(new);
    changed text;
BEGIN
    FOREACH changed IN ARRAY ARRAY['tech', 'eco'] LOOP
        -- A revocation made while another transaction had locked the row was recorded then.
        IF (was ->> (changed || '_activated_at') IS NULL) <> (is_now ->> (changed || '_activated_at') IS NULL)
            AND NOT EXISTS (
                SELECT FROM tenancy_private.pending_deactivations AS d
                WHERE d.kind = tg_argv[0] AND d.id = new.id AND d.aspect = changed
            )
        THEN
            PERFORM tenancy_private.record_activation(
                tg_argv[0], (is_now ->> tg_argv[1])::uuid, new.id, changed, was, is_now
            );
        END IF;
    END LOOP;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.audit_activation() FROM public;

-- == The calls that a change is made of ==

-- Checks that the application has all of the columns or none.
CREATE PROCEDURE tenancy_private.check_activatable(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong CONSTANT text := (
        SELECT string_agg(
            CASE
                WHEN a.attname IS NULL THEN w.name || ' is missing'
                ELSE format('%s is %s, and must be %s', w.name, format_type(a.atttypid, a.atttypmod), w.type)
            END, ', ' ORDER BY w.name
        )
        FROM (VALUES
            ('tech_activated_at'::name, 'timestamptz'::regtype), ('tech_activated_by', 'uuid'),
            ('eco_activated_at', 'timestamptz'), ('eco_activated_by', 'uuid'), ('is_operational', 'boolean')
        ) AS w (name, type)
        LEFT JOIN pg_attribute AS a
            ON a.attrelid = check_activatable.table_name AND w.name = a.attname AND NOT a.attisdropped
        WHERE a.atttypid <> w.type OR a.attname IS NULL AND w.name <> 'is_operational'
    );
    present CONSTANT bigint := (
        SELECT count(*) FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND NOT a.attisdropped AND a.attname IN (
            'tech_activated_at', 'tech_activated_by', 'eco_activated_at', 'eco_activated_by', 'is_operational'
        )
    );
    cascading CONSTANT text := (
        SELECT string_agg(c.conname, ', ' ORDER BY c.conname)
        FROM pg_constraint AS c
        INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND a.attnum = ANY(c.conkey)
        WHERE c.conrelid = table_name AND c.contype = 'f' AND c.confdeltype = 'c'
            AND a.attname IN ('tech_activated_by', 'eco_activated_by')
    );
BEGIN
    IF present > 0 AND wrong IS NOT NULL THEN
        RAISE EXCEPTION '%: %', table_name, wrong
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Nothing was changed. A table needs all columns of activations or none: add or rename them, then '
            'deploy again.';
    END IF;
    IF cascading IS NOT NULL THEN
        RAISE EXCEPTION '%: deleting an account would delete the rows that it activated, by %', table_name, cascading
        USING ERRCODE = '55000',
        CONSTRAINT = 'activation_cascades',
        HINT = 'Nothing was changed. Change the key to ON DELETE SET NULL, then deploy again.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.check_activatable(regclass) FROM public;

-- Opens the columns to the readers of the rest of a row, or removes them from the contract.
CREATE PROCEDURE tenancy_private.show_activations(table_name regclass, shown boolean)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shown_columns CONSTANT name[] := ARRAY[
        'tech_activated_at', 'tech_activated_by', 'eco_activated_at', 'eco_activated_by', 'is_operational'
    ];
BEGIN
    UPDATE tenancy_private.access AS a
    SET columns = ARRAY(
        SELECT c.name FROM unnest(a.columns) WITH ORDINALITY AS c (name, place) WHERE c.name <> ALL(shown_columns)
        ORDER BY c.place
    ) || CASE WHEN shown THEN shown_columns ELSE '{}' END
    WHERE a.table_name = show_activations.table_name AND a.command = 'SELECT';
    EXECUTE format(
        '%s SELECT (%s) ON %s %s tenancy_credentialed, tenancy_auditor', CASE WHEN shown THEN 'GRANT' ELSE 'REVOKE' END,
        array_to_string(shown_columns, ', '), table_name, CASE WHEN shown THEN 'TO' ELSE 'FROM' END
    );
    CALL tenancy_private.record_contract(table_name);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.show_activations(regclass, boolean) FROM public;

-- In one transaction that reads no row: each new column has a constant default.
CREATE PROCEDURE tenancy_private.add_activations(
    change text, table_name regclass, kind text, subject text
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key CONSTANT name := (
        SELECT p.key FROM tenancy_private.protected_tables AS p WHERE p.table_name = add_activations.table_name
    );
    is_adopted CONSTANT boolean := EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND a.attname = 'tech_activated_at' AND NOT a.attisdropped
    );
    is_generated CONSTANT boolean := EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND a.attname = 'is_operational' AND NOT a.attisdropped AND a.attgenerated <> ''
    );
    guard CONSTANT name := tenancy_private.name_for(table_name, 'activation');
    keeper CONSTANT name := tenancy_private.short_name(table_name, '_workspace_tenancy_activation');
    wanted record;
BEGIN
    FOR wanted IN
        SELECT w.*
        FROM (VALUES
            (1, 'tech_activated_at'::name, 'timestamptz DEFAULT now()', 'When somebody answered for its technical side.'),
            (2, 'tech_activated_by', 'uuid', 'By whom; the account may be gone, and NULL is the deploy.'),
            (3, 'eco_activated_at', 'timestamptz DEFAULT now()', 'When somebody answered for its costs.'),
            (4, 'eco_activated_by', 'uuid', 'By whom; the account may be gone, and NULL is the deploy.'),
            (
                5, 'is_operational', 'boolean NOT NULL DEFAULT true',
                'Whether it may be used: both activations are there, or it belongs to no organization.'
            )
        ) AS w (place, name, type, comment)
        WHERE NOT EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = table_name AND a.attname = w.name AND NOT a.attisdropped
        )
        ORDER BY w.place
    LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', table_name, wanted.name, wanted.type);
        EXECUTE format(
            'ALTER TABLE %s ALTER COLUMN %I %s', table_name, wanted.name,
            CASE wanted.place WHEN 5 THEN 'SET DEFAULT false' ELSE 'DROP DEFAULT' END
        );
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', table_name, wanted.name, wanted.comment);
        CALL tenancy_private.record_part(table_name, 'column', wanted.name, change);
    END LOOP;
    INSERT INTO tenancy_private.activatable (kind, table_name, subject, is_adopted, is_generated)
    VALUES (kind, table_name, subject, is_adopted, is_generated);
    IF NOT is_adopted THEN
        EXECUTE format(
            'CREATE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW '
            'EXECUTE FUNCTION tenancy_private.refuse_activation_write()', guard, table_name
        );
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', table_name, guard);
        CALL tenancy_private.record_triggers(table_name, guard);
        CALL tenancy_private.record_part(table_name, 'trigger', guard, change);
    END IF;
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW '
        'EXECUTE FUNCTION tenancy_private.keep_activation(%L, %L, %L)', keeper, table_name, key, is_adopted, is_generated
    );
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', table_name, keeper);
    CALL tenancy_private.record_triggers(table_name, keeper);
    CALL tenancy_private.record_part(table_name, 'trigger', keeper, change);
    CALL tenancy_private.show_activations(table_name, true);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.add_activations(text, regclass, text, text) FROM public;

-- The one call that gives a table activations. Their permissions are <subject>.activate_tech
-- and <subject>.activate_eco.
CREATE PROCEDURE tenancy_private.make_activatable(
    change text, table_name regclass, kind text, subject text
)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    relation CONSTANT text := (SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = table_name);
    archive CONSTANT text := relation || '_activation';
    auditor CONSTANT name := tenancy_private.name_for(table_name, 'activation_audit');
    key CONSTANT name := (
        SELECT p.key FROM tenancy_private.protected_tables AS p WHERE p.table_name = make_activatable.table_name
    );
    activatable tenancy_private.activatable;
BEGIN
    IF NOT EXISTS (SELECT FROM tenancy_private.activatable AS a WHERE a.table_name = make_activatable.table_name) THEN
        CALL tenancy_private.check_activatable(table_name);
        CALL tenancy_private.patiently(
            ARRAY[table_name], 'ACCESS EXCLUSIVE', pg_catalog.format(
                'CALL tenancy_private.add_activations(%L, %L, %L, %L)', change, table_name, kind, subject
            )
        );
        COMMIT;
    END IF;
    activatable := tenancy_private.activatable_of(kind);
    -- Rows with one of two activations in existing columns keep just that one; objects in
    -- tables without such columns keep working.
    IF activatable.is_adopted THEN
        CALL tenancy_private.in_batches(
            change, 'activations', table_name, table_name::text,
            't.tech_activated_at IS NULL AND (t.tech_activated_by IS NOT NULL OR t.eco_activated_at IS NULL '
            'AND t.eco_activated_by IS NULL) OR t.eco_activated_at IS NULL AND t.eco_activated_by IS NOT NULL'
            || CASE WHEN NOT activatable.is_generated THEN
                ' OR t.is_operational IS DISTINCT FROM (t.tech_activated_at IS NOT NULL AND t.eco_activated_at IS NOT NULL)'
                ELSE ''
            END,
            pg_catalog.format(
                'UPDATE %s AS t SET tech_activated_at = CASE WHEN t.tech_activated_by IS NOT NULL OR '
                'pg_catalog.num_nonnulls(t.tech_activated_at, t.eco_activated_at, t.eco_activated_by) = 0 '
                'THEN coalesce(t.tech_activated_at, %2$L) ELSE t.tech_activated_at END, '
                'eco_activated_at = CASE WHEN t.eco_activated_by IS NOT NULL OR '
                'pg_catalog.num_nonnulls(t.eco_activated_at, t.tech_activated_at, t.tech_activated_by) = 0 '
                'THEN coalesce(t.eco_activated_at, %2$L) ELSE t.eco_activated_at END WHERE t.id = ANY($1)',
                table_name, activatable.activated_at
            )
        );
    END IF;
    IF pg_catalog.to_regclass(pg_catalog.format('tenancy_archive.%I', archive)) IS NOT NULL THEN
        CALL tenancy_private.in_batches(
            change, 'activations to return', table_name, pg_catalog.format('tenancy_archive.%I', archive),
            pg_catalog.format(
                'EXISTS (SELECT FROM tenancy_archive.%I AS a WHERE a.id = t.id AND (a.tech_activated_at, a.tech_activated_by, '
                'a.eco_activated_at, a.eco_activated_by) IS DISTINCT FROM (t.tech_activated_at, t.tech_activated_by, '
                't.eco_activated_at, t.eco_activated_by))', archive
            ),
            pg_catalog.format(
                'UPDATE %s AS t SET tech_activated_at = a.tech_activated_at, tech_activated_by = a.tech_activated_by, '
                'eco_activated_at = a.eco_activated_at, eco_activated_by = a.eco_activated_by '
                'FROM tenancy_archive.%I AS a WHERE t.id = a.id AND t.id = ANY($1)', table_name, archive
            )
        );
        CALL tenancy_private.drop_archived(archive);
        COMMIT;
    END IF;
    -- Last, so that the log contains people's actions and none of the above.
    IF NOT tenancy_private.has_part(table_name, 'trigger', auditor, change) THEN
        CALL tenancy_private.patiently(ARRAY[table_name], 'SHARE ROW EXCLUSIVE', pg_catalog.format(
            'CREATE TRIGGER %1$I AFTER UPDATE ON %2$s FOR EACH ROW '
            'WHEN ((old.tech_activated_at IS NULL) <> (new.tech_activated_at IS NULL) '
            'OR (old.eco_activated_at IS NULL) <> (new.eco_activated_at IS NULL)) '
            'EXECUTE FUNCTION tenancy_private.audit_activation(%3$L, %4$L); '
            'ALTER TABLE %2$s ENABLE ALWAYS TRIGGER %1$I; '
            'CALL tenancy_private.record_triggers(%2$L, %1$L); '
            'CALL tenancy_private.record_part(%2$L, ''trigger'', %1$L, %5$L)',
            auditor, table_name, kind, key, change
        ));
        COMMIT;
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.make_activatable(text, regclass, text, text) FROM public;
COMMENT ON PROCEDURE tenancy_private.make_activatable (text, regclass, text, text) IS
'Adds two activations to the rows of a protected table, online. After an interruption the same call continues.';

CREATE PROCEDURE tenancy_private.drop_triggers_of(table_name regclass, change text)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trigger_name name;
BEGIN
    FOR trigger_name IN
        DELETE FROM tenancy_private.adopted_parts AS a
        WHERE a.table_name = drop_triggers_of.table_name AND a.change = drop_triggers_of.change AND a.kind = 'trigger'
        RETURNING a.name
    LOOP
        CALL tenancy_private.forget_triggers(table_name, trigger_name);
        EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, table_name);
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.drop_triggers_of(regclass, text) FROM public;

-- The way back. Activations are archived with their accounts and times, except those by the
-- deploy itself, which the next deploy repeats. While rows are copied, a trigger archives
-- concurrent writes. Columns of the application stay as they are.
CREATE PROCEDURE tenancy_private.release_activatable(change text, table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    activatable CONSTANT tenancy_private.activatable := (
        SELECT a FROM tenancy_private.activatable AS a WHERE a.table_name = release_activatable.table_name
    );
    relation CONSTANT text := (SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = table_name);
    archive CONSTANT text := relation || '_activation';
    keeper CONSTANT name := tenancy_private.name_for(table_name, 'keep_activation');
    follower CONSTANT name := tenancy_private.short_name(table_name, '_workspace_tenancy_activation');
    -- Activations by the deploy that nobody has changed since.
    is_deployed CONSTANT text := pg_catalog.format(
        't.tech_activated_at IS NOT DISTINCT FROM %1$L AND t.eco_activated_at IS NOT DISTINCT FROM %1$L '
        'AND t.tech_activated_by IS NULL AND t.eco_activated_by IS NULL', activatable.activated_at
    );
    kept CONSTANT text :=
        'SELECT t.id, t.tech_activated_at, t.tech_activated_by, t.eco_activated_at, t.eco_activated_by FROM %s AS t';
    is_empty boolean;
BEGIN
    IF activatable.kind IS NULL THEN
        RETURN;
    END IF;
    -- Deactivations that have not reached their rows yet.
    EXECUTE pg_catalog.format(
        'UPDATE %s AS t SET tech_activated_at = CASE WHEN p.tech THEN NULL ELSE t.tech_activated_at END, '
        'tech_activated_by = CASE WHEN p.tech THEN NULL ELSE t.tech_activated_by END, '
        'eco_activated_at = CASE WHEN p.eco THEN NULL ELSE t.eco_activated_at END, '
        'eco_activated_by = CASE WHEN p.eco THEN NULL ELSE t.eco_activated_by END '
        'FROM (SELECT d.id, pg_catalog.bool_or(d.aspect = ''tech'') AS tech, pg_catalog.bool_or(d.aspect = ''eco'') AS eco '
        'FROM tenancy_private.pending_deactivations AS d WHERE d.kind = $1 GROUP BY d.id) AS p WHERE t.id = p.id',
        table_name
    ) USING activatable.kind;
    DELETE FROM tenancy_private.pending_deactivations AS d WHERE d.kind = activatable.kind;
    COMMIT;
    IF NOT activatable.is_adopted THEN
        IF NOT tenancy_private.has_part(table_name, 'trigger', keeper, change) THEN
            IF pg_catalog.to_regnamespace('tenancy_archive') IS NULL THEN
                CREATE SCHEMA tenancy_archive;
                REVOKE ALL ON SCHEMA tenancy_archive FROM public;
            END IF;
            EXECUTE pg_catalog.format(
                'CREATE TABLE tenancy_archive.%I (id uuid NOT NULL, tech_activated_at timestamptz, tech_activated_by uuid, '
                'eco_activated_at timestamptz, eco_activated_by uuid, CONSTRAINT %I PRIMARY KEY (id))',
                archive, archive || '_pkey'
            );
            EXECUTE pg_catalog.format(
                'CREATE FUNCTION tenancy_archive.%1$I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER '
                'SET search_path = pg_catalog, pg_temp AS $f$ BEGIN '
                'INSERT INTO tenancy_archive.%2$I AS a %3$s ON CONFLICT (id) DO UPDATE SET '
                'tech_activated_at = excluded.tech_activated_at, tech_activated_by = excluded.tech_activated_by, '
                'eco_activated_at = excluded.eco_activated_at, eco_activated_by = excluded.eco_activated_by; '
                'RETURN NULL; END; $f$',
                'keep_' || archive, archive, pg_catalog.format(kept, '(SELECT (new).*)')
            );
            EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION tenancy_archive.%I() FROM public', 'keep_' || archive);
            CALL tenancy_private.patiently(ARRAY[table_name], 'SHARE ROW EXCLUSIVE', pg_catalog.format(
                'CREATE TRIGGER %1$I AFTER INSERT OR UPDATE ON %2$s FOR EACH ROW EXECUTE FUNCTION tenancy_archive.%3$I(); '
                'CALL tenancy_private.record_part(%2$L, ''trigger'', %1$L, %4$L)',
                keeper, table_name, 'keep_' || archive, change
            ));
            COMMIT;
        END IF;
        CALL tenancy_private.in_batches(
            change, 'activations to keep', table_name, table_name::text,
            pg_catalog.format(
                'NOT (%s) AND NOT EXISTS (SELECT FROM tenancy_archive.%I AS a WHERE a.id = t.id)', is_deployed, archive
            ),
            pg_catalog.format(
                'INSERT INTO tenancy_archive.%I %s WHERE t.id = ANY($1) ON CONFLICT (id) DO NOTHING',
                archive, pg_catalog.format(kept, table_name)
            )
        );
    ELSE
        -- First the triggers that would undo or record the writes of the batches.
        IF tenancy_private.has_part(table_name, 'trigger', follower, change) THEN
            CALL tenancy_private.patiently(ARRAY[table_name], 'ACCESS EXCLUSIVE', pg_catalog.format(
                'CALL tenancy_private.drop_triggers_of(%L, %L)', table_name, change
            ));
            COMMIT;
        END IF;
        CALL tenancy_private.in_batches(
            change, 'activations to take back', table_name, table_name::text, is_deployed,
            pg_catalog.format(
                'UPDATE %s AS t SET tech_activated_at = NULL, eco_activated_at = NULL WHERE t.id = ANY($1)', table_name
            )
        );
    END IF;
    CALL tenancy_private.patiently(ARRAY[table_name], 'ACCESS EXCLUSIVE', pg_catalog.format(
        'CALL tenancy_private.show_activations(%2$L, false); CALL tenancy_private.drop_parts(%2$L, %1$L); '
        'DELETE FROM tenancy_private.activatable WHERE table_name = %2$L::regclass; '
        'DELETE FROM tenancy_private.adoptions WHERE change = %1$L', change, table_name
    ));
    COMMIT;
    IF NOT activatable.is_adopted THEN
        EXECUTE pg_catalog.format('DROP FUNCTION tenancy_archive.%I()', 'keep_' || archive);
        EXECUTE pg_catalog.format('SELECT NOT EXISTS (SELECT FROM tenancy_archive.%I)', archive) INTO is_empty;
        IF is_empty THEN
            CALL tenancy_private.drop_archived(archive);
        ELSE
            RAISE NOTICE 'the activations in % are kept in tenancy_archive.% until the next deploy', table_name, archive;
        END IF;
        COMMIT;
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.release_activatable(text, regclass) FROM public;

-- For the verify scripts: compares the columns and their constraints. Contracts compare the
-- triggers.
CREATE PROCEDURE tenancy_private.verify_activatable(table_name regclass, kind text)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    activatable CONSTANT tenancy_private.activatable := tenancy_private.activatable_of(kind);
    keeper CONSTANT name := tenancy_private.name_for(table_name, 'keep_activation');
    missing text;
BEGIN
    IF activatable.table_name <> verify_activatable.table_name THEN
        RAISE EXCEPTION 'the activations of the kind % are in %, wanted %', kind, activatable.table_name, table_name;
    END IF;
    SELECT string_agg(w.name, ', ') INTO missing
    FROM (
        VALUES
        (tenancy_private.short_name(table_name, '_workspace_tenancy_activation'), true),
        (tenancy_private.name_for(table_name, 'activation'), NOT activatable.is_adopted),
        (tenancy_private.name_for(table_name, 'activation_audit'), true)
    ) AS w (name, is_wanted)
    WHERE w.is_wanted AND NOT EXISTS (
        SELECT FROM pg_trigger AS t
        WHERE t.tgrelid = verify_activatable.table_name AND t.tgname = w.name AND t.tgenabled = 'A'
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION '% lacks the triggers %', table_name, missing;
    END IF;
    IF EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = table_name AND t.tgname = keeper) THEN
        RAISE EXCEPTION 'a revert of the activations in % was interrupted', table_name
        USING HINT = 'Run it again, then deploy again.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_activatable(regclass, text) FROM public;

RESET ROLE;

\ir ../../notes/done.psql
COMMIT;
