-- Deploy pg-tenancy:kernel/users_functions to pg
-- requires: kernel/accounts
-- requires: kernel/invitations_functions
-- requires: kernel/memberships_functions
-- requires: kernel/tenant_tables

\set change kernel/users_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The accounts visible in the current workspace, for the policies of public.users: the members
-- of the organization, in personal mode the person's own, in the platform's workspace all. A
-- list, because an account belongs to no workspace, and the table is far larger than any
-- organization. For staff the list is long, and all_users() is better. But with
-- "or anybody, if you are staff" as another condition PostgreSQL would find rows by a query's
-- own ids first and filter afterwards, and EXPLAIN ANALYZE would show everybody their number.
-- The index is always used: with statistics of a database with one organization PostgreSQL
-- would read the whole table.
CREATE FUNCTION tenancy.visible_user_ids() RETURNS uuid[]
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
SET enable_seqscan = off
AS $$
DECLARE
    -- Verifies the context, once for everything read here.
    workspace CONSTANT uuid := tenancy.current_workspace_id();
    context CONSTANT text := current_setting('tenancy.context');
BEGIN
    IF current_setting('tenancy.current_organization_id') = '' THEN
        RETURN ARRAY[workspace];
    END IF;
    IF workspace = '00000000-0000-0000-0000-000000000000' THEN
        RETURN ARRAY(SELECT u.id FROM public.users AS u ORDER BY u.id);
    END IF;
    RETURN ARRAY(
        SELECT m.user_id FROM public.organization_memberships AS m
        WHERE m.organization_id = workspace
            AND substr(context, 72 + (
                SELECT p.number FROM tenancy.permissions AS p WHERE p.permission = 'members.view'
            ), 1) = '1'
        ORDER BY m.user_id
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.visible_user_ids() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.visible_user_ids() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.visible_user_ids() IS
'The members of the current organization, sorted, for holders of members.view there; in personal mode the current '
'user; for platform staff everybody. Raises 28000 no_context.';

CREATE FUNCTION tenancy.sees_all_users() RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN coalesce(tenancy.current_role() = 'staff', false);
REVOKE ALL ON FUNCTION tenancy.sees_all_users() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.sees_all_users() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.sees_all_users() IS
'Whether this is the platform''s workspace, whose staff see everybody. Raises 28000 no_context.';

-- Everybody, for platform staff, a page at a time: the policies of the table would collect all
-- ids first.
CREATE FUNCTION tenancy.all_users(
    with_email text DEFAULT NULL, after_id uuid DEFAULT NULL, page_size integer DEFAULT 100
)
RETURNS TABLE (
    user_id uuid,
    email text,
    username text,
    first_name text,
    last_name text,
    role text,
    created_at timestamptz
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
SET enable_seqscan = off
AS $$
DECLARE
    found_ids uuid[];
BEGIN
    IF NOT tenancy_private.is_staff() THEN
        RAISE EXCEPTION 'only platform staff may list all users'
        USING ERRCODE = '42501',
        CONSTRAINT = 'permission_denied',
        HINT = 'The members of an organization are in public.users, and tenancy.members() lists them.';
    END IF;
    PERFORM tenancy_private.require_page_size(page_size);
    IF with_email IS NOT NULL THEN
        found_ids := ARRAY(
            SELECT e.user_id FROM tenancy_private.user_emails AS e
            WHERE e.email = tenancy_private.email_key(with_email)
        );
    ELSE
        found_ids := ARRAY(
            SELECT u.id FROM public.users AS u
            WHERE u.id > coalesce(after_id, '00000000-0000-0000-0000-000000000000')
            ORDER BY u.id
            LIMIT page_size
        );
    END IF;
    RETURN QUERY
    SELECT
        u.id,
        u.email::text,
        u.username::text,
        u.first_name::text,
        u.last_name::text,
        u.role::text,
        u.created_at::timestamptz
    FROM public.users AS u
    WHERE u.id = ANY(found_ids)
    ORDER BY u.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.all_users(text, uuid, integer) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.all_users(text, uuid, integer)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.all_users(text, uuid, integer) IS
'For platform staff: all accounts by id, a page at a time after the given id, or the account with an e-mail address '
'in any spelling. Raises 42501 permission_denied, 22023 page_size_invalid.';

CREATE FUNCTION tenancy_private.refuse_other_account() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'in personal mode people may change only their own account'
    USING ERRCODE = '42501',
    CONSTRAINT = 'permission_denied',
    HINT = 'Platform staff may change others''. Members of an organization are changed there: enter it.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_other_account() FROM public;

CREATE FUNCTION tenancy_private.refuse_user_id() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'no such user'
    USING ERRCODE = 'P0002',
    CONSTRAINT = 'user_not_found',
    HINT = 'tenancy.all_users() lists everybody, to platform staff in the platform''s workspace.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_user_id() FROM public;

CREATE FUNCTION tenancy.create_user(
    email text,
    username text DEFAULT NULL,
    first_name text DEFAULT NULL,
    last_name text DEFAULT NULL,
    password_hash text DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting record;
    new_id uuid;
BEGIN
    IF tenancy.current_organization_id() IS NOT NULL THEN
        acting := tenancy_private.act_in_organization('users.create');
        PERFORM tenancy_private.check_delegation(acting.role, 'user');
    ELSE
        PERFORM tenancy_private.require_person();
        IF tenancy.current_role() IS DISTINCT FROM 'staff' THEN
            PERFORM tenancy_private.refuse_personal();
        END IF;
        PERFORM tenancy.require_permission('users.create');
    END IF;
    new_id := tenancy_private.new_user(
        create_user.email, create_user.username, create_user.first_name, create_user.last_name,
        create_user.password_hash
    );
    IF acting IS NOT NULL THEN
        PERFORM tenancy_private.add_member(acting.organization_id, new_id, 'user');
    END IF;
    RETURN new_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.create_user(text, text, text, text, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.create_user(text, text, text, text, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.create_user(text, text, text, text, text) IS
'Creates an account and, in an organization, its membership with the role user; requires users.create there, and '
'platform staff in the platform''s workspace. Raises 23505 email_taken, username_taken, 22023 email_invalid, '
'user_data_invalid, 42501 permission_denied, 55000 organization_required.';

-- Names concern the organization too. Address and password identify a person, so only platform
-- staff change those of somebody else.
CREATE FUNCTION tenancy.update_user(
    user_id uuid,
    email text DEFAULT NULL,
    username text DEFAULT NULL,
    first_name text DEFAULT NULL,
    last_name text DEFAULT NULL,
    password_hash text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting record;
    new_email text;
BEGIN
    PERFORM tenancy_private.require_person();
    IF update_user.user_id IS DISTINCT FROM tenancy.current_user_id() THEN
        IF tenancy.current_organization_id() IS NOT NULL THEN
            acting := tenancy_private.act_in_organization('users.update');
            IF tenancy_private.role_of_member(acting.organization_id, update_user.user_id) = 'owner'
                AND NOT EXISTS (
                    SELECT FROM tenancy.role_delegations AS d
                    WHERE d.role = acting.role AND d.delegated_role = 'owner'
                )
            THEN
                RAISE EXCEPTION 'the role % may not change the profile of an owner', acting.role
                USING ERRCODE = '42501',
                CONSTRAINT = 'delegation_denied',
                HINT = format('The person may, and of the roles: %s.', coalesce((
                    SELECT string_agg(d.role, ', ' ORDER BY d.role) FROM tenancy.role_delegations AS d
                    WHERE d.delegated_role = 'owner'
                ), 'none'));
            END IF;
            IF update_user.email IS NOT NULL OR update_user.password_hash IS NOT NULL THEN
                RAISE EXCEPTION 'another member''s e-mail address and password cannot be changed'
                USING ERRCODE = '42501',
                CONSTRAINT = 'credentials_denied',
                HINT = 'The person does, or platform staff in the platform''s workspace.';
            END IF;
        ELSE
            IF tenancy.current_role() IS DISTINCT FROM 'staff' THEN
                PERFORM tenancy_private.refuse_other_account();
            END IF;
            PERFORM tenancy.require_permission('users.update');
        END IF;
    END IF;

    IF update_user.email IS NOT NULL THEN
        new_email := tenancy_private.checked_email(update_user.email);
        PERFORM tenancy_private.lock_email(new_email);
        IF EXISTS (
            SELECT FROM tenancy_private.user_emails AS e
            WHERE e.email = tenancy_private.email_key(new_email) AND e.user_id <> update_user.user_id
        ) THEN
            RAISE EXCEPTION 'an account with this e-mail address exists'
            USING ERRCODE = '23505',
            CONSTRAINT = 'email_taken',
            HINT = 'Give another address.';
        END IF;
    END IF;
    IF tenancy_private.write_user(
        jsonb_build_object('id', update_user.user_id), new_email, update_user.username, update_user.first_name,
        update_user.last_name, update_user.password_hash
    ) IS NULL THEN
        PERFORM tenancy_private.refuse_user_id();
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.update_user(uuid, text, text, text, text, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.update_user(uuid, text, text, text, text, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.update_user(uuid, text, text, text, text, text) IS
'Changes the given data of an account: one''s own; a member''s names, with users.update, an owner''s only by an '
'owner; any account by platform staff in the platform''s workspace. Raises 42501 permission_denied, '
'delegation_denied, credentials_denied, P0002 member_not_found, user_not_found, 23505 email_taken, username_taken, '
'22023 email_invalid, user_data_invalid.';

CREATE FUNCTION tenancy.delete_user(id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting record;
    held_role text;
    owned uuid[];
    left_ownerless text;
    deferrable_keys text;
    referring_schema text;
    referring_table text;
BEGIN
    IF tenancy.current_organization_id() IS NOT NULL THEN
        acting := tenancy_private.act_in_organization('users.delete');
        held_role := tenancy_private.role_of_member(acting.organization_id, delete_user.id);
        PERFORM tenancy_private.check_delegation(acting.role, held_role);
        PERFORM tenancy_private.end_membership(acting.organization_id, delete_user.id, held_role);
        RETURN;
    END IF;

    PERFORM tenancy_private.require_person();
    IF delete_user.id IS DISTINCT FROM tenancy.current_user_id() THEN
        IF tenancy.current_role() IS DISTINCT FROM 'staff' THEN
            PERFORM tenancy_private.refuse_other_account();
        END IF;
        PERFORM tenancy.require_permission('users.delete');
    END IF;

    -- Locks the counters of all these organizations, always in the same order, before checking
    -- for other owners.
    owned := ARRAY(
        SELECT w.id FROM tenancy.workspaces AS w
        WHERE w.id IN (
            SELECT m.organization_id FROM public.organization_memberships AS m
            WHERE m.user_id = delete_user.id AND m.role::text = 'owner'
        )
        ORDER BY w.id
        FOR NO KEY UPDATE
    );
    UPDATE tenancy.workspaces AS w SET owner_changes = w.owner_changes + 1 WHERE w.id = ANY(owned);
    -- Names are not unique, slugs are.
    SELECT string_agg(
        format('%s (%s%s)', o.name, o.slug, CASE WHEN w.deleted_at IS NULL THEN '' ELSE ', deleted' END),
        ', ' ORDER BY o.name, o.slug
    )
    INTO left_ownerless
    FROM public.organizations AS o
    INNER JOIN tenancy.workspaces AS w ON o.id = w.id
    WHERE o.id = ANY(owned)
        AND NOT EXISTS (
            SELECT FROM public.organization_memberships AS m
            WHERE m.organization_id = o.id AND m.user_id <> delete_user.id AND m.role::text = 'owner'
        );
    IF left_ownerless IS NOT NULL THEN
        RAISE EXCEPTION 'the person is the last owner of %', left_ownerless
        USING ERRCODE = '23514',
        CONSTRAINT = 'organization_keeps_an_owner',
        HINT = 'Make another member of each an owner first. One that is deleted has to be purged or restored by a service.';
    END IF;

    BEGIN
        -- The personal workspace and its contents first: a foreign key of an adopted table to
        -- users, without ON DELETE, is checked before a cascade would delete the workspace. As
        -- tenancy_writer, like the triggers of the affected tables.
        PERFORM tenancy_private.delete_rows(
            'tenancy.workspaces', jsonb_build_object('id', delete_user.id, 'kind', 'personal')
        );
        -- Keys of organizations stay, without the account: a trigger of users takes it from them.
        PERFORM tenancy_private.delete_below(
            'public.users', jsonb_build_object('id', delete_user.id), to_regclass('public.api_keys')
        );
        IF tenancy_private.delete_rows('public.users', jsonb_build_object('id', delete_user.id)) = 0 THEN
            PERFORM tenancy_private.refuse_user_id();
        END IF;

        -- Deferrable keys of the application are checked now, because an error at COMMIT would
        -- not name the account. Their mode is restored, like that of every other constraint.
        SELECT string_agg(format('%I.%I', n.nspname, c.conname), ', ') INTO deferrable_keys
        FROM pg_constraint AS c
        INNER JOIN pg_namespace AS n ON c.connamespace = n.oid
        WHERE c.contype = 'f' AND c.condeferrable AND c.conparentid = 0 AND (
            c.confrelid IN ('public.users'::regclass, 'tenancy.workspaces'::regclass)
            OR c.confrelid IN (SELECT p.table_name FROM tenancy_private.protected_tables AS p)
        );
        IF deferrable_keys IS NOT NULL THEN
            BEGIN
                EXECUTE format('SET CONSTRAINTS %s IMMEDIATE', deferrable_keys);
                RAISE SQLSTATE 'T0000';
            EXCEPTION
                WHEN SQLSTATE 'T0000' THEN
                    NULL;
            END;
        END IF;
    EXCEPTION
        -- A key of the application; PostgreSQL's message would show the row.
        WHEN foreign_key_violation OR restrict_violation THEN
            GET STACKED DIAGNOSTICS
                referring_schema = SCHEMA_NAME,
                referring_table = TABLE_NAME;
            IF referring_table = '' THEN
                RAISE;
            END IF;
            RAISE EXCEPTION 'rows of the table % refer to the account', format('%I.%I', referring_schema, referring_table)
            USING ERRCODE = '23503',
            CONSTRAINT = 'user_in_use',
            HINT = 'Delete them first, or let them refer to somebody else.';
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.delete_user(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.delete_user(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.delete_user(uuid) IS
'In an organization ends a membership, with users.delete and a delegation for the member''s role. In personal mode '
'deletes one''s own account, in the platform''s workspace any account, with everything in its personal workspace; '
'rows of organizations stay. Raises 23514 organization_keeps_an_owner with the organizations'' names and slugs, 42501 '
'permission_denied, delegation_denied, P0002 member_not_found, user_not_found, 23503 user_in_use.';

\ir ../../notes/done.psql
COMMIT;
