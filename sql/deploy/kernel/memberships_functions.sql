-- Deploy pg-tenancy:kernel/memberships_functions to pg
-- requires: kernel/memberships
-- requires: kernel/organizations_functions

\set change kernel/memberships_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The matrix says who may change roles at all, and role_delegations which ones.
CREATE FUNCTION tenancy_private.check_delegation(acting_role text, dealt_role text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    delegated CONSTANT text[] := ARRAY(
        SELECT d.delegated_role FROM tenancy.role_delegations AS d
        WHERE d.role = acting_role
        ORDER BY array_position(ARRAY['owner', 'admin', 'manager', 'user'], d.delegated_role)
    );
BEGIN
    IF NOT coalesce(dealt_role = ANY(delegated), false) THEN
        RAISE EXCEPTION 'the role % may not give or take the role %', acting_role, dealt_role
        USING ERRCODE = '42501',
        CONSTRAINT = 'delegation_denied',
        HINT = format('It may give and take: %s.', coalesce(nullif(array_to_string(delegated, ', '), ''), 'none'));
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_delegation(text, text) FROM public;

CREATE FUNCTION tenancy_private.check_role(role text) RETURNS void
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT coalesce(role IN ('owner', 'admin', 'manager', 'user'), false) THEN
        RAISE EXCEPTION 'role % does not exist', coalesce(quote_literal(role), 'NULL')
        USING ERRCODE = '22023',
        CONSTRAINT = 'unknown_role',
        HINT = 'The roles are owner, admin, manager and user.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_role(text) FROM public;

CREATE FUNCTION tenancy_private.role_of_member(organization_id uuid, user_id uuid) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    held_role CONSTANT text := (
        SELECT m.role::text FROM public.organization_memberships AS m
        WHERE m.organization_id = role_of_member.organization_id AND m.user_id = role_of_member.user_id
    );
BEGIN
    IF held_role IS NULL THEN
        RAISE EXCEPTION 'the organization has no such member'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'member_not_found',
        HINT = 'tenancy.members() lists the members.';
    END IF;
    RETURN held_role;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.role_of_member(uuid, uuid) FROM public;

-- The trigger on the memberships would raise only at COMMIT; a function's caller should get the
-- error at once.
CREATE FUNCTION tenancy_private.check_other_owner(organization_id uuid, user_id uuid) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.organization_memberships AS m
        WHERE m.organization_id = check_other_owner.organization_id
            AND m.user_id <> check_other_owner.user_id
            AND m.role::text = 'owner'
    ) THEN
        RAISE EXCEPTION 'organization % must keep an owner', (
            SELECT o.name FROM public.organizations AS o WHERE o.id = check_other_owner.organization_id
        )
        USING ERRCODE = '23514',
        CONSTRAINT = 'organization_keeps_an_owner',
        HINT = 'Make another member an owner first.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_other_owner(uuid, uuid) FROM public;

-- Goes from each membership to its user by the keys, whatever the statistics are: with those of
-- a database with one organization PostgreSQL would read both tables completely.
CREATE FUNCTION tenancy.members()
RETURNS TABLE (
    user_id uuid,
    email text,
    username text,
    first_name text,
    last_name text,
    role text,
    member_since timestamptz
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    current_organization_id CONSTANT uuid := tenancy_private.read_in_organization('members.view');
BEGIN
    RETURN QUERY
    SELECT
        m.user_id,
        u.email::text,
        u.username::text,
        u.first_name::text,
        u.last_name::text,
        m.role::text,
        m.created_at::timestamptz
    FROM public.organization_memberships AS m
    INNER JOIN public.users AS u ON m.user_id = u.id
    WHERE m.organization_id = current_organization_id
    ORDER BY m.created_at, m.user_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.members() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.members() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.members() IS
'The members of the current organization, in the order in which they joined. Requires members.view.';

-- Finds one member by the keys, where the policies of public.users would first collect all
-- members. The LEFT JOIN always reads the membership first: the account of a non-member is not
-- read, so EXPLAIN (BUFFERS) of a call does not reveal whether it exists.
CREATE FUNCTION tenancy.member(id uuid)
RETURNS TABLE (
    user_id uuid,
    email text,
    username text,
    first_name text,
    last_name text,
    role text,
    member_since timestamptz
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_organization_id CONSTANT uuid := tenancy_private.read_in_organization('members.view');
BEGIN
    RETURN QUERY
    SELECT
        m.user_id,
        u.email::text,
        u.username::text,
        u.first_name::text,
        u.last_name::text,
        m.role::text,
        m.created_at::timestamptz
    FROM public.organization_memberships AS m
    LEFT JOIN public.users AS u ON m.user_id = u.id
    WHERE m.organization_id = current_organization_id AND m.user_id = member.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.member(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.member(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.member(uuid) IS
'A member of the current organization by the user''s id; no row for anybody else. Requires members.view. Raises 42501 '
'permission_denied, 55000 organization_required.';

CREATE FUNCTION tenancy.change_member_role(user_id uuid, role text) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('members.change_role');
    held_role CONSTANT text := tenancy_private.role_of_member(acting.organization_id, change_member_role.user_id);
BEGIN
    PERFORM tenancy_private.check_delegation(acting.role, held_role);
    PERFORM tenancy_private.check_role(change_member_role.role);
    PERFORM tenancy_private.check_delegation(acting.role, change_member_role.role);
    IF held_role = change_member_role.role THEN
        RETURN;
    END IF;
    IF held_role = 'owner' THEN
        PERFORM tenancy_private.check_other_owner(acting.organization_id, change_member_role.user_id);
    END IF;
    PERFORM tenancy_private.update_rows(
        'public.organization_memberships',
        jsonb_build_object('organization_id', acting.organization_id, 'user_id', change_member_role.user_id),
        jsonb_build_object('role', change_member_role.role)
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.change_member_role(uuid, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.change_member_role(uuid, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.change_member_role(uuid, text) IS
'Gives a member of the current organization another role. Requires members.change_role, and a delegation for both '
'roles. Raises 42501 permission_denied, delegation_denied, 22023 unknown_role, P0002 member_not_found, 23514 '
'organization_keeps_an_owner.';

CREATE FUNCTION tenancy_private.end_membership(organization_id uuid, user_id uuid, held_role text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF held_role = 'owner' THEN
        PERFORM tenancy_private.check_other_owner(organization_id, user_id);
    END IF;
    PERFORM tenancy_private.delete_rows(
        'public.organization_memberships',
        jsonb_build_object('organization_id', end_membership.organization_id, 'user_id', end_membership.user_id)
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.end_membership(uuid, uuid, text) FROM public;

CREATE FUNCTION tenancy.remove_member(user_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('members.remove');
    held_role CONSTANT text := tenancy_private.role_of_member(acting.organization_id, remove_member.user_id);
BEGIN
    PERFORM tenancy_private.check_delegation(acting.role, held_role);
    PERFORM tenancy_private.end_membership(acting.organization_id, remove_member.user_id, held_role);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.remove_member(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.remove_member(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.remove_member(uuid) IS
'Ends a membership of the current organization, from that person''s next transaction on. Requires members.remove, '
'and a delegation for the member''s role. Raises what change_member_role() raises.';

-- Members who are not owners leave without locking the counter: otherwise
-- anybody could block the organization's administration by leaving without
-- committing.
CREATE FUNCTION tenancy.leave_organization() RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting record;
BEGIN
    PERFORM tenancy_private.require_person();
    IF tenancy.current_role() IN ('admin', 'manager', 'user') THEN
        PERFORM FROM public.organization_memberships AS m
        WHERE m.organization_id = tenancy.current_organization_id()
            AND m.user_id = tenancy.current_user_id()
            AND m.role::text <> 'owner'
        FOR UPDATE;
        IF FOUND THEN
            PERFORM tenancy_private.delete_rows('public.organization_memberships', jsonb_build_object(
                'organization_id', tenancy.current_organization_id(), 'user_id', tenancy.current_user_id()
            ));
            RETURN;
        END IF;
    END IF;
    acting := tenancy_private.act_in_organization(NULL);
    PERFORM tenancy_private.end_membership(acting.organization_id, acting.user_id, acting.role);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.leave_organization() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.leave_organization() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.leave_organization() IS
'Ends the current user''s own membership of the current organization, whatever the role. '
'Raises 23514 organization_keeps_an_owner.';

\ir ../../notes/done.psql
COMMIT;
