-- Deploy pg-tenancy:kernel/entering to pg
-- requires: kernel/permission_checks
-- requires: kernel/workspaces_backfill

\set change kernel/entering
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- An identity as a lock's key. Where the database is not hardened everybody can see the locks,
-- but only the holder of the seal's key can tell whose a lock is. Half of the key's block is
-- used, so that key and identity fit into one block of SHA-256.
CREATE FUNCTION tenancy_private.latch_identity(inner_block bytea, identity bytea) RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN hashtext(encode(sha256(substr(inner_block, 1, 16) || identity), 'hex'));
REVOKE ALL ON FUNCTION tenancy_private.latch_identity(bytea, bytea) FROM public;

-- Refuses a transaction that has entered already with another identity or another workspace.
CREATE FUNCTION tenancy_private.check_latch(
    latch_transaction integer, identity bytea, is_counted boolean
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Also under keys that a rotation has replaced.
    identities CONSTANT integer[] := ARRAY(
        SELECT tenancy_private.latch_identity(k.inner_block, identity) FROM tenancy_private.seal_keys AS k
    );
BEGIN
    IF NOT is_counted AND current_setting('track_counts')::boolean THEN
        RAISE EXCEPTION 'this server does not count scans as pg-tenancy expects'
        USING ERRCODE = '55000',
        CONSTRAINT = 'latch_not_counted',
        HINT = 'Please report this. Until it is fixed, the server works with track_counts = off, more slowly.';
    END IF;
    IF EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory'
            AND l.pid = pg_backend_pid()
            AND l.objsubid = 2
            AND l.classid = latch_transaction::oid
            AND l.objid <> ALL(identities::oid[])
    ) THEN
        RAISE EXCEPTION 'this transaction is already in a workspace'
        USING ERRCODE = '28000',
        CONSTRAINT = 'context_already_set',
        HINT = 'One transaction works for one user in one workspace. Commit it, and enter again in the next.';
    END IF;
    RETURN true;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_latch(integer, bytea, boolean) FROM public;

-- Whether a parameter that only superusers can set may carry the context (roles).
CREATE FUNCTION tenancy_private.may_carry() RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN has_parameter_privilege('tenancy_owner', 'backtrace_functions', 'SET');
REVOKE ALL ON FUNCTION tenancy_private.may_carry() FROM public;

-- Refuses a login that sees every workspace, and gives the reason. enter_as() has already
-- checked; functions that refuse a credential earlier call this first, so that a wrong login
-- is reported before a wrong credential.
CREATE FUNCTION tenancy_private.check_login() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    login CONSTANT name := coalesce(nullif(current_setting('role'), 'none'), session_user);
    sees_all CONSTANT text := (
        SELECT CASE
            WHEN r.rolsuper THEN 'is a superuser'
            WHEN r.rolbypassrls THEN 'bypasses row-level security'
            WHEN pg_has_role(r.oid, 'tenancy_owner', 'USAGE') THEN 'has the rights of tenancy_owner'
            WHEN pg_has_role(r.oid, 'tenancy_writer', 'USAGE') THEN 'has the rights of tenancy_writer'
            WHEN pg_has_role(r.oid, 'tenancy_service', 'USAGE') THEN 'has the rights of tenancy_service'
            WHEN pg_has_role(r.oid, 'tenancy_legacy', 'USAGE') THEN 'has the rights of tenancy_legacy'
        END
        FROM pg_roles AS r
        WHERE r.rolname = login
    );
BEGIN
    IF sees_all IS NOT NULL THEN
        RAISE EXCEPTION '% %, and sees every workspace', login, sees_all
        USING ERRCODE = '28000',
        CONSTRAINT = 'login_sees_everything',
        HINT = 'Connect with a login of tenancy_app. A service that wants the context for functions, defaults and the audit '
        'log calls tenancy.enter_as_service().';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_login() FROM public;

-- In autocommit the context would end before the next statement, which then raises
-- no_context. An earlier error is better, but only possible in the simple protocol: there a
-- statement without a BEGIN before it starts at the same time as its transaction. In the
-- extended protocol, recognized by its visible portal, parsing or binding starts the
-- transaction, which looks the same as a BEGIN in the same packet. Two more cases start at the
-- same time and are allowed, because they are transactions: BEGIN and this call in one message,
-- and a function of the application that enters and continues. The pattern has no backslashes,
-- because the caller's standard_conforming_strings would change them, and takes quotes, because
-- the caller's quote_all_identifiers adds them.
CREATE FUNCTION tenancy_private.require_transaction() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    stack text;
BEGIN
    IF current_query() !~* '[[:<:]](begin|start[[:space:]]+transaction)[[:>:]]'
        AND NOT EXISTS (SELECT FROM pg_cursors AS c WHERE c.statement = current_query())
    THEN
        GET DIAGNOSTICS stack = PG_CONTEXT;
        IF stack ~ E'function "?tenancy"?[.]"?enter[a-z_]*"?[(][^\n]*$' THEN
            RAISE EXCEPTION 'a workspace can be entered only in a transaction block'
            USING ERRCODE = '25P01',
            CONSTRAINT = 'transaction_required',
            HINT = 'Send BEGIN first; the workspace is left at COMMIT or ROLLBACK.';
        END IF;
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_transaction() FROM public;

-- An unknown person, an unknown or deleted organization and a missing
-- membership raise one and the same error, so that nobody can probe for them.
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

-- A REPEATABLE READ transaction reads the past, with SET TRANSACTION SNAPSHOT possibly long
-- ago: a membership that has ended since would still let somebody in. Locking its row fails if
-- it has changed. A read-only transaction cannot lock, and READ ONLY can end with a savepoint,
-- so it is refused; on a standby nobody can write.
CREATE FUNCTION tenancy_private.reads_the_past() RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN current_setting('transaction_isolation') NOT LIKE 'read %' AND NOT pg_is_in_recovery();
REVOKE ALL ON FUNCTION tenancy_private.reads_the_past() FROM public;

-- Revoked sessions and API keys. Their own rows may be locked by another transaction, and
-- nobody must be able to keep a credential alive by not committing, so a revocation is a new
-- row here. The same credential can be revoked twice at once; it is revoked if it has any row.
-- A row's place is a random point of the credential's span. A transaction that reads the past
-- inserts the whole span, which conflicts with any point in it.
CREATE TABLE tenancy_private.revocations (
    credential_id uuid        NOT NULL,
    revoked_at    timestamptz NOT NULL DEFAULT now(),
    place         numrange    NOT NULL,
    CONSTRAINT revocations_place_excl EXCLUDE USING gist (place WITH &&)
);
CREATE INDEX revocations_credential_id_idx ON tenancy_private.revocations (credential_id);
CALL tenancy_private.close_own_table('tenancy_private.revocations');

CREATE FUNCTION tenancy_private.credential_span(credential_id uuid) RETURNS numrange
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT numrange(s.start, s.start + 1)
    FROM (
        SELECT
            ('x' || left(encode(sha256(uuid_send(credential_id)), 'hex'), 14))::bit(56)::bigint
            AS start
    ) AS s
);
REVOKE ALL ON FUNCTION tenancy_private.credential_span(uuid) FROM public;

-- A different one each time, so that revocations do not conflict with each other.
CREATE FUNCTION tenancy_private.revocation_place(credential_id uuid) RETURNS numrange
LANGUAGE sql
VOLATILE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT numrange(p.point, p.point, '[]')
    FROM (
        SELECT lower(tenancy_private.credential_span(credential_id)) + random()::numeric AS point
    ) AS p
);
REVOKE ALL ON FUNCTION tenancy_private.revocation_place(uuid) FROM public;

-- Returns the number of credentials that were not revoked before.
CREATE FUNCTION tenancy_private.revoke(VARIADIC credentials uuid[]) RETURNS integer
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    revoked integer;
BEGIN
    INSERT INTO tenancy_private.revocations (credential_id, place)
    SELECT c.id, tenancy_private.revocation_place(c.id)
    FROM unnest(credentials) AS c (id)
    WHERE NOT EXISTS (SELECT FROM tenancy_private.revocations AS r WHERE r.credential_id = c.id);
    GET DIAGNOSTICS revoked = ROW_COUNT;
    RETURN revoked;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.revoke(uuid[]) FROM public;

-- Checks that rows are still as this transaction reads them, and that the credential is not
-- revoked. Rolling the block back releases the locks at once, so that nobody can prevent the
-- end of their own membership, and the short lock_timeout keeps the function that ends it from
-- waiting. Rows are locked in the order of the functions that change an organization. A
-- transaction that meets a change must be retried (40001).
CREATE FUNCTION tenancy_private.check_fresh(
    what text, rows text[], credential_id uuid DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10ms'
AS $$
DECLARE
    read_row text;
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'a workspace cannot be entered in a transaction that is READ ONLY and %',
            upper(current_setting('transaction_isolation'))
        USING ERRCODE = '25006',
        CONSTRAINT = 'snapshot_not_checked',
        HINT = 'Leave out READ ONLY, or use READ COMMITTED.';
    END IF;
    FOREACH read_row IN ARRAY rows LOOP
        EXECUTE format('SELECT FROM %s FOR SHARE', read_row);
    END LOOP;
    IF credential_id IS NOT NULL THEN
        INSERT INTO tenancy_private.revocations (credential_id, place)
        VALUES (check_fresh.credential_id, tenancy_private.credential_span(check_fresh.credential_id));
    END IF;
    RAISE EXCEPTION 'the rows are as they were read' USING ERRCODE = 'TF001';
EXCEPTION
    WHEN SQLSTATE 'TF001' THEN
        NULL;
    WHEN lock_not_available OR exclusion_violation THEN
        RAISE EXCEPTION 'could not serialize access: the % is being changed', what
        USING ERRCODE = '40001',
        HINT = 'Retry the transaction.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_fresh(text, text[], uuid) FROM public;

-- The last step of every way to enter: looks up the person's permissions in the workspace, and
-- sets and seals the variables. The role is an argument if it does not come from a membership.
-- Returns true, so that callers can assign it: a PERFORM would start an executor.
--
-- Only logins to which policies apply can enter: for any other, a workspace would isolate
-- nothing. The current role is checked, so SET ROLE counts.
--
-- The latch is a transaction-level advisory lock, which the application cannot release before
-- the transaction ends, so clearing the variables does not admit a second identity. Its first
-- key comes from the transaction's start, its second from the identity and the seal's key.
-- Entering again with the same identity finds its own lock, even after a rotation; any other
-- lock with that first key means that another identity has entered.
--
-- Reading one's own locks copies those of all sessions, some microseconds for each open
-- transaction, so it is done only if the transaction may have entered before. Entering scans
-- the keys, and the session's own count of such scans is kept until the transaction ends; the
-- application can neither reset it nor change track_counts. While it is zero, nobody has
-- entered. Forcing the report at the end of this transaction makes it zero for the next.
--
-- Each expression and query in here is initialized once per transaction, which costs more than
-- running it: so there is one query, and few expressions.
CREATE FUNCTION tenancy_private.enter_as(
    user_id uuid,
    organization_id uuid,
    is_checked boolean DEFAULT true,
    role text DEFAULT NULL,
    credential_id uuid DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    scans CONSTANT bigint := pg_stat_get_xact_numscans('tenancy_private.seal_keys'::regclass);
    login CONSTANT text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    latch_transaction CONSTANT integer := interval_hash(now() - timestamptz 'epoch');
    -- A credential's id replaces its user's, and a personal workspace has its user's id.
    identity CONSTANT bytea := uuid_send(coalesce(credential_id, user_id)) || uuid_send(coalesce(organization_id, user_id));
    held_role text := role;
    bits text;
    key_id text;
    rotation bigint;
    inner_block bytea;
    outer_block bytea;
    sees_all boolean;
    done boolean;
BEGIN
    IF now() = statement_timestamp() THEN
        PERFORM tenancy_private.require_transaction();
    END IF;
    IF organization_id IS NULL AND role IS NULL THEN
        SELECT CASE u.role::text WHEN 'admin' THEN 'staff' ELSE '' END INTO held_role
        FROM public.users AS u
        WHERE u.id = enter_as.user_id;
    END IF;
    -- A parallel worker would not report its scans, but SELECT INTO never uses one. No index
    -- matches the last condition, so the keys are scanned.
    SELECT
        k.id, k.rotation, k.inner_block, k.outer_block, r.oid IS NOT NULL,
        coalesce(held_role, m.role::text), b.bits
    INTO STRICT key_id, rotation, inner_block, outer_block, sees_all, held_role, bits
    FROM tenancy_private.seal_keys AS k
    LEFT JOIN (
        public.organization_memberships AS m INNER JOIN tenancy.workspaces AS w ON m.organization_id = w.id
    )
        ON m.organization_id = enter_as.organization_id
        AND m.user_id = enter_as.user_id
        AND w.deleted_at IS NULL
    LEFT JOIN tenancy_private.role_bits AS b ON b.role = CASE
        WHEN enter_as.organization_id IS NOT NULL THEN coalesce(held_role, m.role::text)
        WHEN held_role IS NOT NULL THEN 'person'
    END
    LEFT JOIN pg_roles AS r ON r.rolname = login AND (
        r.rolbypassrls
        OR pg_has_role(r.oid, 'tenancy_service'::regrole, 'USAGE') OR pg_has_role(r.oid, 'tenancy_owner'::regrole, 'USAGE')
        OR pg_has_role(r.oid, 'tenancy_writer'::regrole, 'USAGE') OR pg_has_role(r.oid, 'tenancy_legacy'::regrole, 'USAGE')
    )
    WHERE coalesce(k.superseded_at, 'infinity') = 'infinity';

    IF is_checked AND sees_all THEN
        PERFORM tenancy_private.check_login();
    END IF;
    IF bits IS NULL THEN
        IF user_id IS NULL THEN
            RAISE EXCEPTION 'user_id is required to enter a workspace'
            USING ERRCODE = '22004',
            CONSTRAINT = 'user_id_required',
            HINT = 'Call tenancy.enter(user_id) for the personal workspace, tenancy.enter(user_id, organization_id) for an '
            'organization''s.';
        END IF;
        PERFORM tenancy_private.refuse_member();
    END IF;
    IF role IS NULL AND tenancy_private.reads_the_past() THEN
        PERFORM tenancy_private.check_fresh('membership', CASE
            WHEN organization_id IS NULL THEN ARRAY[format('public.users AS u WHERE u.id = %L', user_id)]
            ELSE ARRAY[
                format('tenancy.workspaces AS w WHERE w.id = %L', organization_id),
                format(
                    'public.organization_memberships AS m WHERE m.organization_id = %L AND m.user_id = %L',
                    organization_id, user_id
                )
            ]
        END);
    END IF;
    IF scans > 0 OR pg_stat_get_xact_numscans('tenancy_private.seal_keys'::regclass) = 0 THEN
        PERFORM tenancy_private.check_latch(
            latch_transaction, identity, pg_stat_get_xact_numscans('tenancy_private.seal_keys'::regclass) > scans
        );
    END IF;

    -- In this order.
    done := pg_advisory_xact_lock_shared(latch_transaction, tenancy_private.latch_identity(inner_block, identity)) IS NOT NULL
        AND pg_stat_force_next_flush() IS NOT NULL;
    bits := concat(bits, '_', held_role, '_', replace(credential_id::text, '-', ''));
    IF tenancy_private.may_carry() THEN
        RETURN set_config('backtrace_functions', tenancy_private.carried(
            rotation,
            set_config('tenancy.current_user_id', coalesce(user_id::text, ''), true),
            set_config('tenancy.current_organization_id', coalesce(organization_id::text, ''), true),
            set_config('tenancy.context', concat(key_id, repeat('0', 64), bits), true)
        ), true) IS NOT NULL;
    END IF;
    RETURN set_config('tenancy.context', concat(key_id, tenancy_private.seal(
        inner_block, outer_block,
        set_config('tenancy.current_user_id', coalesce(user_id::text, ''), true),
        set_config('tenancy.current_organization_id', coalesce(organization_id::text, ''), true),
        bits
    ), bits), true) IS NOT NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.enter_as(uuid, uuid, boolean, text, uuid) FROM public;

CREATE FUNCTION tenancy.enter(user_id uuid, organization_id uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    done boolean;
BEGIN
    done := tenancy_private.enter_as(user_id, organization_id);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.enter(uuid, uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.enter(uuid, uuid) TO tenancy_app, tenancy_service;
COMMENT ON FUNCTION tenancy.enter(uuid, uuid) IS
'Enters a workspace for the rest of this transaction: the organization''s, or the user''s own without one. '
'Raises 28000 not_a_member, 28000 context_already_set, 28000 login_sees_everything, 22004 user_id_required, and, in '
'autocommit, 25P01 transaction_required where the server can tell: otherwise the next statement raises no_context.';

-- Does not isolate, as its name says.
CREATE FUNCTION tenancy.enter_as_service(user_id uuid, organization_id uuid DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    done boolean;
BEGIN
    done := tenancy_private.enter_as(user_id, organization_id, is_checked => false);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.enter_as_service(uuid, uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.enter_as_service(uuid, uuid) TO tenancy_service;
COMMENT ON FUNCTION tenancy.enter_as_service(uuid, uuid) IS
'For logins that see all workspaces, before and after: says who acts and where, for functions, defaults and the audit '
'log. Raises what tenancy.enter() raises.';

CREATE FUNCTION tenancy.enter_platform(user_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    staff_id CONSTANT uuid := (
        SELECT u.id FROM public.users AS u WHERE u.id = enter_platform.user_id AND u.role::text = 'admin'
    );
    done boolean;
BEGIN
    IF staff_id IS NULL THEN
        PERFORM tenancy_private.check_login();
        PERFORM tenancy_private.refuse_member();
    END IF;
    IF tenancy_private.reads_the_past() THEN
        PERFORM tenancy_private.check_fresh(
            'account', ARRAY[format('public.users AS u WHERE u.id = %L', user_id)]
        );
    END IF;
    done := tenancy_private.enter_as(user_id, '00000000-0000-0000-0000-000000000000', role => 'staff');
END;
$$;
REVOKE ALL ON FUNCTION tenancy.enter_platform(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.enter_platform(uuid) TO tenancy_app, tenancy_service;
COMMENT ON FUNCTION tenancy.enter_platform(uuid) IS
'Enters the platform''s workspace, which is open to platform staff: rows that belong to nobody else, everybody''s accounts. '
'Raises 28000 not_a_member for anybody else, and what tenancy.enter() raises.';

\ir ../../notes/done.psql
COMMIT;
