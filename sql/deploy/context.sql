-- Deploy pg-tenancy:context to pg
-- requires: workspaces_backfill
-- requires: seal_keys
-- requires: role_permissions

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Says what is wrong with a context that does not verify.
CREATE FUNCTION tenancy_private.refuse_context() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF concat(
        current_setting('tenancy.seal', true),
        current_setting('tenancy.current_user_id', true),
        current_setting('tenancy.current_organization_id', true),
        current_setting('tenancy.current_role', true),
        current_setting('tenancy.current_credential_id', true)
    ) = '' THEN
        RAISE EXCEPTION 'this transaction is in no workspace'
        USING ERRCODE = '28000',
        CONSTRAINT = 'no_context',
        HINT = 'Call tenancy.enter(user_id, organization_id) first, in the same transaction: BEGIN, enter, query, COMMIT.';
    END IF;
    RAISE EXCEPTION 'the session context was not set by tenancy.enter() in this transaction'
    USING ERRCODE = '28000',
    CONSTRAINT = 'invalid_context',
    HINT = 'Do not set tenancy.* variables by hand: open a transaction and call tenancy.enter(user_id, organization_id).';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_context() FROM public;

-- The one place where the context is verified; policies, readers and functions
-- all come through here. It answers with the current workspace's id or, where
-- the role does not hold the permission, with NULL: an error here would tell a
-- guesser that a row was reached. A context that is missing or was not made by
-- tenancy.enter() does raise. That depends on no row: every statement on a
-- protected table has two equalities with this value, and the planner compares
-- the two in a one-time filter before it opens the table.
--
-- The seal is an HMAC over the four variables and the transaction's start, so
-- it fits no transaction that started at another instant. Bytes are taken with
-- timestamptz_send() and convert_to(), which no setting of the caller's can change. A '/' can be in
-- none of the sealed values, so no other split of them has the same seal.
CREATE FUNCTION tenancy.workspace_for(permission text) RETURNS uuid
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    seal CONSTANT text := current_setting('tenancy.seal', true);
    sealed_user CONSTANT text := current_setting('tenancy.current_user_id', true);
    sealed_organization CONSTANT text := current_setting('tenancy.current_organization_id', true);
    sealed_role CONSTANT text := current_setting('tenancy.current_role', true);
    sealed_credential CONSTANT text := current_setting('tenancy.current_credential_id', true);
    inner_key bytea;
    outer_key bytea;
BEGIN
    SELECT k.inner_block, k.outer_block INTO inner_key, outer_key
    FROM tenancy_private.seal_keys AS k
    WHERE k.id = left(seal, 8);

    IF inner_key IS NULL OR substr(seal, 9) IS DISTINCT FROM encode(
        sha256(outer_key || sha256(inner_key || timestamptz_send(now()) || convert_to(
            sealed_user || '/' || sealed_organization || '/' || sealed_role || '/' || sealed_credential, 'UTF8'
        ))), 'hex'
    ) THEN
        PERFORM tenancy_private.refuse_context();
    END IF;

    -- Two statements rather than an OR, for which PostgreSQL would make a new
    -- plan at each call.
    IF permission IS NOT NULL THEN
        IF sealed_organization <> '' THEN
            PERFORM FROM tenancy.role_permissions AS p
            WHERE p.permission = workspace_for.permission AND p.role = sealed_role;
        ELSE
            PERFORM FROM tenancy.role_permissions AS p
            WHERE p.permission = workspace_for.permission;
        END IF;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;

    RETURN coalesce(nullif(sealed_organization, ''), sealed_user)::uuid;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.workspace_for(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.workspace_for(text) TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.workspace_for(text) IS
'The current workspace''s id if the current role holds the permission there, else NULL; with NULL for the permission '
'the current workspace''s id. Raises 28000 no_context or invalid_context.';

-- The readers: plain expressions over the verified context, which the planner
-- folds into the query that asks.
CREATE FUNCTION tenancy.current_workspace_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN tenancy.workspace_for(NULL);
REVOKE ALL ON FUNCTION tenancy.current_workspace_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_workspace_id() TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_workspace_id() IS
'The workspace that this transaction works in: the organization''s id, or the user''s id in personal mode.';

CREATE FUNCTION tenancy.current_user_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN tenancy.workspace_for(NULL) IS NOT NULL
        THEN nullif(current_setting('tenancy.current_user_id'), '')::uuid
END;
REVOKE ALL ON FUNCTION tenancy.current_user_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_user_id() TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_user_id() IS
'Who acts in this transaction; NULL where an organization''s API key does whose maker has no account any more.';

CREATE FUNCTION tenancy.current_organization_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN tenancy.workspace_for(NULL) IS NOT NULL
        THEN nullif(current_setting('tenancy.current_organization_id'), '')::uuid
END;
REVOKE ALL ON FUNCTION tenancy.current_organization_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_organization_id() TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_organization_id() IS
'The organization that this transaction works in, NULL in personal mode.';

-- The variable also marks platform staff in their personal workspace, where
-- nobody has an organization role.
CREATE FUNCTION tenancy.current_role() RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN tenancy.current_organization_id() IS NOT NULL
        THEN current_setting('tenancy.current_role')
END;
REVOKE ALL ON FUNCTION tenancy.current_role() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_role() TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_role() IS
'The role in the current organization: owner, admin, manager or user; NULL in personal mode.';

-- A program that entered with a key of its own works in the workspace, and does
-- nothing for the person whom the key is named after.
CREATE FUNCTION tenancy.current_credential_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN tenancy.workspace_for(NULL) IS NOT NULL
        THEN nullif(current_setting('tenancy.current_credential_id'), '')::uuid
END;
REVOKE ALL ON FUNCTION tenancy.current_credential_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_credential_id() TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_credential_id() IS
'The API key that this transaction entered with, NULL where a person did.';

CREATE FUNCTION tenancy_private.require_person() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF tenancy.current_credential_id() IS NOT NULL THEN
        RAISE EXCEPTION 'an API key may not do this'
        USING ERRCODE = '42501',
        CONSTRAINT = 'person_required',
        HINT = 'Enter as the person: tenancy.enter(user_id, organization_id), or with a ticket.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_person() FROM public;

CREATE FUNCTION tenancy.require_person() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.require_person();
END;
$$;
REVOKE ALL ON FUNCTION tenancy.require_person() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.require_person() TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.require_person() IS
'Raises 42501 person_required in a transaction that entered with an API key.';

CREATE FUNCTION tenancy.has_permission(permission text) RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN permission IS NOT NULL AND tenancy.workspace_for(permission) IS NOT NULL;
REVOKE ALL ON FUNCTION tenancy.has_permission(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.has_permission(text) TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.has_permission(text) IS
'Whether the current role holds the permission; in personal mode every known permission, on the user''s own rows.';

CREATE FUNCTION tenancy.my_permissions() RETURNS SETOF text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
BEGIN ATOMIC
    SELECT DISTINCT p.permission
    FROM tenancy.role_permissions AS p
    WHERE (SELECT tenancy.current_workspace_id()) IS NOT NULL
        AND p.role = coalesce((SELECT tenancy.current_role()), p.role)
    ORDER BY p.permission;
END;
REVOKE ALL ON FUNCTION tenancy.my_permissions() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.my_permissions() TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.my_permissions() IS
'The permissions of the current role, in alphabetical order; in personal mode all of them.';

-- Says who could have done it, so that the person knows whom to ask.
CREATE FUNCTION tenancy_private.refuse_permission(permission text, held_role text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    holders CONSTANT text := (
        SELECT string_agg(p.role, ', ' ORDER BY array_position(ARRAY['owner', 'admin', 'manager', 'user'], p.role))
        FROM tenancy.role_permissions AS p
        WHERE p.permission = refuse_permission.permission
    );
BEGIN
    RAISE EXCEPTION 'permission % denied to the role %', permission, coalesce(held_role, 'of a person')
    USING ERRCODE = '42501',
    CONSTRAINT = 'permission_denied',
    HINT = CASE
        WHEN holders IS NULL THEN 'No role holds this permission.'
        ELSE format('Roles that hold it: %s.', holders)
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_permission(text, text) FROM public;

CREATE FUNCTION tenancy.require_permission(permission text) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF permission IS NULL OR tenancy.workspace_for(permission) IS NULL THEN
        PERFORM tenancy_private.refuse_permission(permission, tenancy.current_role());
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.require_permission(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.require_permission(text) TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.require_permission(text) IS
'Raises 42501 permission_denied, naming role, permission and holders, unless the current role holds the permission.';

CREATE FUNCTION tenancy.require_staff_or_organization() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF tenancy.current_organization_id() IS NULL AND current_setting('tenancy.current_role') <> 'staff' THEN
        RAISE EXCEPTION 'what is public is changed by platform staff alone'
        USING ERRCODE = '42501',
        CONSTRAINT = 'permission_denied',
        HINT = 'Enter an organization to make something of its own.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.require_staff_or_organization() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.require_staff_or_organization() TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.require_staff_or_organization() IS
'Raises 42501 permission_denied in the personal workspace of who is not platform staff.';

-- For each protected table, before any of its rows is looked at:
--     CREATE TRIGGER instances_permission
--     BEFORE INSERT OR UPDATE OR DELETE ON public.instances FOR EACH STATEMENT
--     EXECUTE FUNCTION tenancy.check_permission(
--         'instances.create', 'instances.update', 'instances.delete'
--     );
-- A fourth argument, 'platform', says that a row made in personal mode is the
-- platform's and not the person's, so that in personal mode only staff write;
-- 'person' says that a program which entered with an API key does not write.
-- A policy alone would turn a write without the permission into "UPDATE 0".
-- It runs as the caller, because it has to know who that is: services, the
-- definer functions and superusers are not asked.
CREATE FUNCTION tenancy.check_permission() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF row_security_active(tg_relid) AND (
        pg_has_role('tenancy_app', 'USAGE') OR pg_has_role('tenancy_credentialed', 'USAGE')
    ) THEN
        PERFORM tenancy.require_permission(
            CASE tg_op WHEN 'INSERT' THEN tg_argv[0] WHEN 'UPDATE' THEN tg_argv[1] ELSE tg_argv[2] END
        );
        IF tg_argv[3] = 'platform' THEN
            PERFORM tenancy.require_staff_or_organization();
        ELSIF tg_argv[3] = 'person' THEN
            PERFORM tenancy.require_person();
        END IF;
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.check_permission() FROM public;
COMMENT ON FUNCTION tenancy.check_permission() IS
'Statement-level trigger: raises 42501 permission_denied before an application role''s write reaches a row. '
'Arguments: the permissions for INSERT, UPDATE and DELETE, and platform, where a personal workspace has no rows, or '
'person, where API keys do not write.';

-- Always empty: entering scans it, and PostgreSQL counts that.
CREATE TABLE tenancy_private.latch_scans ();
CALL tenancy_private.close_own_table('tenancy_private.latch_scans');
COMMENT ON TABLE tenancy_private.latch_scans IS
'Has no rows. How often this transaction has scanned it tells whether it can have entered a workspace.';

-- Sets and seals the variables: the last step of every way to enter.
--
-- The latch is a transaction-level advisory lock, which the application cannot
-- release before the transaction ends, so clearing the variables does not make
-- room for a second identity. Its first key comes from the transaction's start
-- and its second from the identity under the seal's key, which nobody outside
-- can work out: entering again as oneself finds its own, also after the key was
-- rotated, and any other lock with that first key means that somebody else has
-- entered.
--
-- Looking for one's own locks means copying everybody's, some microseconds for
-- each transaction that is open on the server, so it is done only where it can
-- find something. The session's own count of scans of latch_scans is kept until
-- the transaction ends and cannot be reset by the application (nor can
-- track_counts be changed by it). While it is zero, nobody has entered; asking
-- for it to be reported after this transaction makes it zero for the next.
CREATE FUNCTION tenancy_private.seal_context(
    user_id uuid, organization_id uuid, role text, credential_id uuid DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sealed_user CONSTANT text := coalesce(user_id::text, '');
    sealed_organization CONSTANT text := coalesce(organization_id::text, '');
    sealed_credential CONSTANT text := coalesce(credential_id::text, '');
    latch_transaction CONSTANT integer := hashint8((extract(EPOCH FROM now()) * 1000000)::bigint);
    latch_identities integer[];
    latch_scans CONSTANT regclass := 'tenancy_private.latch_scans';
    counted CONSTANT boolean := current_setting('track_counts');
    scans CONSTANT bigint := pg_stat_get_xact_numscans(latch_scans);
    scanned record;
    seal text;
    stack text;
BEGIN
    -- In autocommit the context would be gone before the next statement, which
    -- then raises no_context. The sooner it is said the better, but only the
    -- simple protocol lets us see it: there a statement without a BEGIN before it
    -- starts together with its transaction. The extended one, known by its
    -- visible portal, starts a transaction when it parses or binds, which nothing
    -- tells apart from a BEGIN that came in the same packet. BEGIN and this call
    -- in one message start together too, and so does a function of the
    -- application's that enters and goes on: both are transactions enough. No
    -- backslashes here: the caller's standard_conforming_strings has a say in them.
    IF now() = statement_timestamp()
        AND current_query() !~* '[[:<:]](begin|start[[:space:]]+transaction)[[:>:]]'
        AND NOT EXISTS (SELECT FROM pg_cursors AS c WHERE c.statement = current_query())
    THEN
        GET DIAGNOSTICS stack = PG_CONTEXT;
        IF stack ~ E'function tenancy[.]enter[a-z_]*[(][^\n]*$' THEN
            RAISE EXCEPTION 'a workspace can be entered only in a transaction block'
            USING ERRCODE = '25P01',
            CONSTRAINT = 'transaction_required',
            HINT = 'Send BEGIN first; the workspace is left at COMMIT or ROLLBACK.';
        END IF;
    END IF;

    SELECT
        k.id || encode(sha256(k.outer_block || sha256(k.inner_block || timestamptz_send(now()) || convert_to(
            sealed_user || '/' || sealed_organization || '/' || seal_context.role || '/' || sealed_credential, 'UTF8'
        ))), 'hex') INTO STRICT seal
    FROM tenancy_private.seal_keys AS k
    WHERE k.superseded_at IS NULL;

    latch_identities := ARRAY(
        SELECT hashtext(encode(sha256(k.outer_block || sha256(k.inner_block || timestamptz_send(now()) || convert_to(
            'latch/' || sealed_user || '/' || sealed_organization || '/' || sealed_credential, 'UTF8'
        ))), 'hex'))
        FROM tenancy_private.seal_keys AS k
        ORDER BY k.superseded_at DESC NULLS FIRST
    );
    IF (scans > 0 OR NOT counted) AND EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory'
            AND l.pid = pg_backend_pid()
            AND l.objsubid = 2
            AND l.classid = latch_transaction::oid
            AND l.objid <> ALL(latch_identities::oid[])
    ) THEN
        RAISE EXCEPTION 'this transaction is already in a workspace'
        USING ERRCODE = '28000',
        CONSTRAINT = 'context_already_set',
        HINT = 'One transaction works for one user in one workspace. Commit it, and enter again in the next.';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(latch_transaction, latch_identities[1]);

    -- In a loop, because that is never run by a parallel worker, which would
    -- keep the count to itself.
    FOR scanned IN SELECT 1 AS scan FROM tenancy_private.latch_scans LOOP
    END LOOP;
    IF counted AND pg_stat_get_xact_numscans(latch_scans) <= scans THEN
        RAISE EXCEPTION 'this server does not count scans as pg-tenancy expects'
        USING ERRCODE = '55000',
        CONSTRAINT = 'latch_not_counted',
        HINT = 'Report this. Until it is mended, a server with track_counts = off works, and is slower.';
    END IF;
    PERFORM pg_stat_force_next_flush();

    PERFORM set_config('tenancy.current_user_id', sealed_user, true),
        set_config('tenancy.current_organization_id', sealed_organization, true),
        set_config('tenancy.current_role', seal_context.role, true),
        set_config('tenancy.current_credential_id', sealed_credential, true),
        set_config('tenancy.seal', seal, true);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.seal_context(uuid, uuid, text, uuid) FROM public;

-- An unknown person, an unknown or deleted organization and a person who is no
-- member of it are one and the same error, so that nobody can probe for them.
CREATE FUNCTION tenancy_private.refuse_member() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'no such membership'
    USING ERRCODE = '28000',
    CONSTRAINT = 'not_a_member',
    HINT = 'The user or the organization does not exist, or the user does not belong to it.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_member() FROM public;

-- A REPEATABLE READ transaction reads what was, and with SET TRANSACTION
-- SNAPSHOT that may be long ago: a membership that has been ended since would
-- still open. Whether it has can be told by locking its row, which fails for one
-- that changed. A read-only transaction cannot lock, and READ ONLY may end with
-- a savepoint, so it is refused; only a standby cannot write at all.
CREATE FUNCTION tenancy_private.reads_the_past() RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('transaction_isolation') LIKE 'read %' OR pg_is_in_recovery() THEN
        RETURN false;
    END IF;
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'a workspace cannot be entered in a transaction that is READ ONLY and %',
            upper(current_setting('transaction_isolation'))
        USING ERRCODE = '25006',
        CONSTRAINT = 'snapshot_not_checked',
        HINT = 'Leave out READ ONLY, or use READ COMMITTED.';
    END IF;
    RETURN true;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.reads_the_past() FROM public;

-- The locks are let go at once, by undoing the block they were taken in, so that
-- nobody keeps his own membership from being ended; and they are not waited for,
-- so that nobody who does end it has to wait. The order is that of the functions
-- which change an organization. Whoever meets a change tries again (40001).
CREATE FUNCTION tenancy_private.check_fresh(user_id uuid, organization_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT tenancy_private.reads_the_past() THEN
        RETURN;
    END IF;
    IF organization_id IS NULL THEN
        PERFORM FROM public.users AS u
        WHERE u.id = check_fresh.user_id
        FOR SHARE NOWAIT;
    ELSE
        PERFORM FROM tenancy.workspaces AS w
        WHERE w.id = check_fresh.organization_id
        FOR SHARE NOWAIT;
        PERFORM FROM public.organization_memberships AS m
        WHERE m.organization_id = check_fresh.organization_id AND m.user_id = check_fresh.user_id
        FOR SHARE NOWAIT;
    END IF;
    RAISE EXCEPTION 'the rows are as they were read' USING ERRCODE = 'TF001';
EXCEPTION
    WHEN SQLSTATE 'TF001' THEN
        NULL;
    WHEN lock_not_available THEN
        RAISE EXCEPTION 'could not serialize access: the membership is being changed'
        USING ERRCODE = '40001',
        HINT = 'Try the transaction again.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_fresh(uuid, uuid) FROM public;

CREATE FUNCTION tenancy_private.enter_as(user_id uuid, organization_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    held_role text;
BEGIN
    IF user_id IS NULL THEN
        RAISE EXCEPTION 'entering a workspace needs a user'
        USING ERRCODE = '22004',
        CONSTRAINT = 'user_id_required',
        HINT = 'Call tenancy.enter(user_id) for the personal workspace, tenancy.enter(user_id, organization_id) for an '
        'organization''s.';
    END IF;
    IF organization_id IS NULL THEN
        SELECT CASE u.role::text WHEN 'admin' THEN 'staff' ELSE '' END INTO held_role
        FROM public.users AS u
        WHERE u.id = enter_as.user_id;
    ELSE
        SELECT m.role::text INTO held_role
        FROM public.organization_memberships AS m
        INNER JOIN tenancy.workspaces AS w ON m.organization_id = w.id
        WHERE m.organization_id = enter_as.organization_id
            AND m.user_id = enter_as.user_id
            AND w.deleted_at IS NULL;
    END IF;
    IF held_role IS NULL THEN
        PERFORM tenancy_private.refuse_member();
    END IF;
    PERFORM tenancy_private.check_fresh(user_id, organization_id);
    PERFORM tenancy_private.seal_context(user_id, organization_id, held_role);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.enter_as(uuid, uuid) FROM public;

CREATE FUNCTION tenancy.enter(user_id uuid, organization_id uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.enter_as(user_id, organization_id);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.enter(uuid, uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.enter(uuid, uuid) TO tenancy_app, tenancy_service;
COMMENT ON FUNCTION tenancy.enter(uuid, uuid) IS
'Enters a workspace for the rest of this transaction: the organization''s, or the user''s own without one. '
'Raises 28000 not_a_member, 28000 context_already_set, 22004 user_id_required, and, in autocommit, 25P01 '
'transaction_required where the server can tell: otherwise the next statement raises no_context.';

-- For banners and switchers: what a workspace is called, to those who may know.
CREATE FUNCTION tenancy.current_workspace(
    OUT kind text, OUT id uuid, OUT name text, OUT slug text, OUT role text,
    OUT color text, OUT plan text
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    id := tenancy.current_workspace_id();
    role := tenancy.current_role();
    SELECT
        w.kind,
        w.color,
        w.plan,
        coalesce(o.name, nullif(btrim(concat_ws(' ', u.first_name, u.last_name)), ''), u.username, u.email),
        o.slug
    INTO kind, color, plan, name, slug
    FROM tenancy.workspaces AS w
    LEFT JOIN public.organizations AS o ON w.organization_id = o.id
    LEFT JOIN public.users AS u ON w.user_id = u.id
    WHERE w.id = current_workspace.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.current_workspace() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_workspace() TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_workspace() IS
'What a banner shows of the current workspace; slug and role are NULL in personal mode.';

CREATE FUNCTION tenancy.badge(workspace_id uuid) RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_user_id CONSTANT uuid := tenancy.current_user_id();
    -- A key shows no more of its maker than where it works.
    by_key CONSTANT boolean := tenancy.current_credential_id() IS NOT NULL;
BEGIN
    RETURN CASE workspace_id
        WHEN '00000000-0000-0000-0000-000000000000' THEN 'Public'
        WHEN current_user_id THEN 'Personal'
        ELSE (
            SELECT 'Org: ' || o.name
            FROM public.organizations AS o
            WHERE o.id = badge.workspace_id
                AND CASE
                    WHEN by_key THEN o.id = tenancy.current_organization_id()
                    ELSE EXISTS (
                        SELECT FROM public.organization_memberships AS m
                        WHERE m.organization_id = o.id AND m.user_id = current_user_id
                    )
                END
        )
    END;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.badge(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.badge(uuid) TO
tenancy_app, tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.badge(uuid) IS
'Personal, Public, or Org: and its name; NULL for a workspace that the current user does not belong to.';

COMMIT;
