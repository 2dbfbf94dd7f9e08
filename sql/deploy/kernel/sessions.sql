-- Deploy pg-tenancy:kernel/sessions to pg
-- requires: kernel/tickets
-- requires: kernel/permission_checks
-- requires: kernel/organizations_functions
-- requires: kernel/adoption

\set change kernel/sessions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Sessions keep a person logged in: several at a time, each in its own workspace. Only a hash
-- of the token is stored, so that a reader of the table, or of a backup, cannot enter.
CREATE TABLE tenancy_private.user_sessions (
    id         uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_id    uuid        NOT NULL,
    token_hash bytea       NOT NULL,
    client     text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT user_sessions_pkey PRIMARY KEY (id),
    CONSTRAINT user_sessions_token_hash_key UNIQUE (token_hash),
    CONSTRAINT user_sessions_token_hash_check CHECK (length(token_hash) = 32),
    CONSTRAINT user_sessions_expires_at_check CHECK (expires_at > started_at)
);
CREATE INDEX user_sessions_user_id_idx ON tenancy_private.user_sessions (user_id);
CALL tenancy_private.close_own_table('tenancy_private.user_sessions');

-- A separate table for the data that is written while a session is in use.
CREATE TABLE tenancy_private.session_uses (
    session_id      uuid        NOT NULL,
    -- No foreign key: entering a deleted organization is refused, whereas NULL would mean the
    -- personal workspace.
    organization_id uuid,
    last_seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT session_uses_pkey PRIMARY KEY (session_id),
    CONSTRAINT session_uses_session_id_fkey FOREIGN KEY (session_id)
    REFERENCES tenancy_private.user_sessions (id) ON DELETE CASCADE
);
CALL tenancy_private.close_own_table('tenancy_private.session_uses');

-- Sessions are revoked in tenancy_private.revocations, whose rows are deleted with the session.
-- No foreign key: it would wait for a transaction that deletes the session.
CREATE FUNCTION tenancy_private.forget_session() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    DELETE FROM tenancy_private.revocations AS r WHERE r.credential_id = old.id;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.forget_session() FROM public;

CREATE TRIGGER user_sessions_forget
AFTER DELETE ON tenancy_private.user_sessions
FOR EACH ROW EXECUTE FUNCTION tenancy_private.forget_session();
CALL tenancy_private.record_triggers('tenancy_private.user_sessions', 'user_sessions_forget');

-- The last step of starting a session, in the entered workspace. It also deletes ended sessions
-- of the person.
CREATE FUNCTION tenancy_private.add_session(
    client text, lasts interval, OUT session_id uuid, OUT token text, OUT expires_at timestamptz
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    starting CONSTANT timestamptz := clock_timestamp();
    me CONSTANT uuid := tenancy.current_user_id();
    -- In seconds, because an interval of many months compares as shorter than the time that it
    -- adds.
    lifetime CONSTANT double precision := extract(EPOCH FROM lasts);
BEGIN
    IF lifetime IS NULL OR lifetime <= 0 OR lifetime > 366 * 86400 THEN
        RAISE EXCEPTION 'a session must last more than 0 and at most 366 days'
        USING ERRCODE = '22023',
        CONSTRAINT = 'session_length_invalid',
        HINT = 'Leave it out for 30 days.';
    END IF;
    -- Locks both rows, because using or switching a session locks the second.
    DELETE FROM tenancy_private.user_sessions AS s
    WHERE s.id IN (
        SELECT e.id
        FROM tenancy_private.user_sessions AS e
        INNER JOIN tenancy_private.session_uses AS u ON e.id = u.session_id
        WHERE e.user_id = me AND (
            e.expires_at <= starting
            OR EXISTS (SELECT FROM tenancy_private.revocations AS r WHERE r.credential_id = e.id)
        )
        FOR UPDATE SKIP LOCKED
    );
    token := 'pgs_' || encode(tenancy_private.random_bytes(), 'hex');
    INSERT INTO tenancy_private.user_sessions AS s (user_id, token_hash, client, started_at, expires_at)
    VALUES (
        me,
        sha256(convert_to(token, 'UTF8')),
        -- A browser can send any name, which must not prevent logging in.
        nullif(btrim(tenancy_private.plain_text(add_session.client)), ''),
        starting,
        starting + make_interval(secs => lifetime)
    )
    RETURNING s.id, s.expires_at INTO session_id, add_session.expires_at;
    INSERT INTO tenancy_private.session_uses (session_id, organization_id)
    VALUES (add_session.session_id, tenancy.current_organization_id());
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.add_session(text, interval) FROM public;

CREATE FUNCTION tenancy.start_session(
    user_id uuid,
    organization_id uuid DEFAULT NULL,
    client text DEFAULT NULL,
    lasts interval DEFAULT '30 days',
    OUT session_id uuid,
    OUT token text,
    OUT expires_at timestamptz
)
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
    SELECT s.session_id, s.token, s.expires_at
    INTO start_session.session_id, start_session.token, start_session.expires_at
    FROM tenancy_private.add_session(client, lasts) AS s;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.start_session(uuid, uuid, text, interval) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.start_session(uuid, uuid, text, interval)
TO tenancy_app, tenancy_service;
COMMENT ON FUNCTION tenancy.start_session(uuid, uuid, text, interval) IS
'Enters a workspace, as tenancy.enter() does, and starts a session of the person there. Returns its token, only this '
'once. client is a description by which the person recognizes it. Raises 22023 session_length_invalid, and what '
'tenancy.enter() raises.';

CREATE FUNCTION tenancy.start_session_with_ticket(
    ticket text, client text DEFAULT NULL, lasts interval DEFAULT '30 days',
    OUT session_id uuid, OUT token text, OUT expires_at timestamptz
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy.enter_with_ticket(ticket);
    -- A request's ticket opens one workspace for a minute, and must not become a session that
    -- opens all of the person's workspaces for a year.
    IF convert_from(tenancy_private.decode_base64url(split_part(ticket, '.', 2)), 'UTF8')::jsonb -> 'session'
        IS DISTINCT FROM 'true'
    THEN
        RAISE EXCEPTION 'the ticket starts no session'
        USING ERRCODE = '28000',
        CONSTRAINT = 'invalid_ticket',
        HINT = 'Sign it with the claim "session": true when a person has just logged in.';
    END IF;
    SELECT s.session_id, s.token, s.expires_at
    INTO start_session_with_ticket.session_id, start_session_with_ticket.token, start_session_with_ticket.expires_at
    FROM tenancy_private.add_session(client, lasts) AS s;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.start_session_with_ticket(text, text, interval) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.start_session_with_ticket(text, text, interval)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.start_session_with_ticket(text, text, interval) IS
'Enters the workspace that a ticket with the claim session names and starts a session of the person there: see '
'tenancy.start_session() and tenancy.enter_with_ticket().';

-- At most once a minute, and without waiting.
CREATE FUNCTION tenancy_private.record_session_use(session_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM tenancy_private.session_uses AS u
    WHERE u.session_id = record_session_use.session_id AND u.last_seen_at < now() - interval '1 minute'
    FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE tenancy_private.session_uses AS u
        SET last_seen_at = now()
        WHERE u.session_id = record_session_use.session_id;
    END IF;
EXCEPTION
    WHEN serialization_failure THEN
        -- Another transaction has written it since this one's snapshot.
        NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.record_session_use(uuid) FROM public;

-- Common to all functions that enter with a session. One statement for every token, valid or
-- not, so that the time that it takes does not reveal what is wrong with a token.
CREATE FUNCTION tenancy_private.enter_session(
    token text, is_elsewhere boolean, organization_id uuid
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
    done boolean;
BEGIN
    SELECT s.id, s.user_id, u.organization_id, u.last_seen_at INTO found
    FROM tenancy_private.user_sessions AS s
    INNER JOIN tenancy_private.session_uses AS u ON s.id = u.session_id
    WHERE s.token_hash = sha256(convert_to(token, 'UTF8'))
        AND s.expires_at > clock_timestamp()
        AND NOT EXISTS (SELECT FROM tenancy_private.revocations AS r WHERE r.credential_id = s.id);
    IF found.id IS NULL THEN
        PERFORM tenancy_private.check_login();
        RAISE EXCEPTION 'the session is not valid'
        USING ERRCODE = '28000',
        CONSTRAINT = 'invalid_session',
        HINT = 'It is unknown, was revoked, or has expired: the person logs in again.';
    END IF;
    IF tenancy_private.reads_the_past() THEN
        PERFORM tenancy_private.check_fresh(
            'session', ARRAY[format('tenancy_private.user_sessions AS s WHERE s.id = %L', found.id)], found.id
        );
    END IF;
    IF found.last_seen_at < now() - interval '1 minute' AND NOT current_setting('transaction_read_only')::boolean THEN
        PERFORM tenancy_private.record_session_use(found.id);
    END IF;
    done := tenancy_private.enter_as(
        found.user_id, CASE WHEN is_elsewhere THEN enter_session.organization_id ELSE found.organization_id END
    );
    RETURN found.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.enter_session(text, boolean, uuid) FROM public;

CREATE FUNCTION tenancy.enter_with_session(token text) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    RETURN tenancy_private.enter_session(token, false, NULL);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.enter_with_session(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.enter_with_session(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.enter_with_session(text) IS
'Enters the workspace that a session is in, and returns the session''s id. Raises 28000 invalid_session, and what '
'tenancy.enter() raises.';

CREATE FUNCTION tenancy.enter_with_session(token text, organization_id uuid) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    RETURN tenancy_private.enter_session(token, true, organization_id);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.enter_with_session(text, uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.enter_with_session(text, uuid)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.enter_with_session(text, uuid) IS
'Enters this organization''s workspace, or the personal one for NULL, for this transaction alone: the session stays in '
'the workspace where it is. Raises what tenancy.enter_with_session(token) raises.';

CREATE FUNCTION tenancy.switch_session(token text, organization_id uuid DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    moved CONSTANT uuid := tenancy_private.enter_session(token, true, organization_id);
BEGIN
    UPDATE tenancy_private.session_uses AS u
    SET organization_id = switch_session.organization_id
    WHERE u.session_id = moved;
    RETURN moved;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.switch_session(text, uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.switch_session(text, uuid)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.switch_session(text, uuid) IS
'Enters a workspace and moves the session there: the organization''s, or without one the personal workspace. Returns '
'the session''s id. Raises what tenancy.enter_with_session(token) raises.';

CREATE FUNCTION tenancy.sessions(token text DEFAULT NULL)
RETURNS TABLE (
    id uuid,
    is_current boolean,
    organization_id uuid,
    client text,
    started_at timestamptz,
    last_seen_at timestamptz,
    expires_at timestamptz
)
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.require_person();
    RETURN QUERY
    SELECT
        s.id,
        coalesce(s.token_hash = sha256(convert_to(sessions.token, 'UTF8')), false),
        u.organization_id, s.client, s.started_at, u.last_seen_at, s.expires_at
    FROM tenancy_private.user_sessions AS s
    INNER JOIN tenancy_private.session_uses AS u ON s.id = u.session_id
    WHERE s.user_id = tenancy.current_user_id()
        AND s.expires_at > clock_timestamp()
        AND NOT EXISTS (SELECT FROM tenancy_private.revocations AS r WHERE r.credential_id = s.id)
    ORDER BY u.last_seen_at DESC, s.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.sessions(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.sessions(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.sessions(text) IS
'The person''s own valid sessions in all workspaces, the last used first; the one with the given token is current. An '
'organization_id of NULL is the personal workspace. Raises 42501 person_required.';

CREATE FUNCTION tenancy.revoke_session(session_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.require_person();
    IF NOT EXISTS (
        SELECT FROM tenancy_private.user_sessions AS s
        WHERE s.id = revoke_session.session_id AND s.user_id = tenancy.current_user_id()
    ) THEN
        RAISE EXCEPTION 'you have no such session'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'session_not_found',
        HINT = 'tenancy.sessions() lists those of the current user.';
    END IF;
    PERFORM tenancy_private.revoke(session_id);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.revoke_session(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.revoke_session(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.revoke_session(uuid) IS
'Ends one of the person''s own sessions: from the next transaction on nobody can enter with it. Waits for nobody. '
'Raises P0002 session_not_found, 42501 person_required.';

CREATE FUNCTION tenancy.revoke_sessions(keep uuid DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.require_person();
    RETURN tenancy_private.revoke(VARIADIC ARRAY(
        SELECT s.id
        FROM tenancy_private.user_sessions AS s
        WHERE s.user_id = tenancy.current_user_id()
            AND s.id IS DISTINCT FROM revoke_sessions.keep
            AND s.expires_at > clock_timestamp()
    ));
END;
$$;
REVOKE ALL ON FUNCTION tenancy.revoke_sessions(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.revoke_sessions(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.revoke_sessions(uuid) IS
'Ends all of the person''s own sessions except the one to keep, and returns their number. Raises 42501 '
'person_required.';

RESET ROLE;

-- The table in use is locked last, so that nobody waits for the above.
CALL tenancy_private.patiently(
    ARRAY['public.users']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);

SET LOCAL ROLE tenancy_owner;

ALTER TABLE tenancy_private.user_sessions
ADD CONSTRAINT user_sessions_user_id_fkey
FOREIGN KEY (user_id) REFERENCES public.users (id) ON DELETE CASCADE;

\ir ../../notes/done.psql
COMMIT;
