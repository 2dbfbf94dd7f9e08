-- Deploy pg-tenancy:kernel/invitations_functions to pg
-- requires: kernel/invitations
-- requires: kernel/user_emails_backfill
-- requires: kernel/memberships_functions

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- No more than a mailer needs: something, an @, something, and nothing that
-- could make two addresses or a header line of it.
CREATE FUNCTION tenancy_private.checked_email(email text) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trimmed CONSTANT text := btrim(email, E' \t\r\n');
BEGIN
    IF NOT coalesce(
        length(trimmed) <= 254
        AND trimmed ~ '^[^[:space:][:cntrl:]@,;<>()"]+@[^[:space:][:cntrl:]@,;<>()"]+$',
        false
    ) THEN
        RAISE EXCEPTION 'this is no e-mail address'
        USING ERRCODE = '22023',
        CONSTRAINT = 'email_invalid',
        HINT = 'One address of at most 254 characters, name@example.com, without a display name.';
    END IF;
    RETURN trimmed;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.checked_email(text) FROM public;

-- An adopted table has rules of its own. What breaks one is said in words and
-- with a name, and without the row, which Postgres's message would show. Comes
-- back where it is none of them: a trigger of the application's has words too.
CREATE FUNCTION tenancy_private.refuse_user_data(
    state text,
    schema_name text,
    table_name text,
    column_name text,
    constraint_name text,
    type_name text,
    given jsonb
) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    users CONSTANT regclass := 'public.users'::regclass;
    is_of_users CONSTANT boolean := (schema_name, table_name) = ('public', 'users');
    type_id CONSTANT oid := (
        SELECT t.oid FROM pg_type AS t
        INNER JOIN pg_namespace AS n ON t.typnamespace = n.oid
        WHERE (n.nspname, t.typname) = (schema_name, type_name)
    );
    columns CONSTANT text[] := ARRAY(
        SELECT a.attname FROM pg_attribute AS a
        WHERE a.attrelid = users AND a.attnum > 0
            AND (is_of_users AND a.attname = column_name OR a.atttypid = type_id)
        ORDER BY a.attnum
    );
    found text;
    problem text;
    advice text;
BEGIN
    IF state = '22001' THEN
        SELECT
            format('the column %I of public.users takes %s characters at most', a.attname, l.limit_of),
            'Give a shorter value.'
        INTO problem, advice
        FROM pg_attribute AS a
        INNER JOIN pg_type AS t ON a.atttypid = t.oid
        CROSS JOIN LATERAL (
            SELECT coalesce(nullif(a.atttypmod, -1), nullif(t.typtypmod, -1)) - 4 AS limit_of
        ) AS l
        WHERE a.attrelid = users AND length(rtrim(given ->> a.attname, ' ')) > l.limit_of
        ORDER BY a.attnum
        LIMIT 1;
    ELSIF state = '23502' AND columns <> '{}' THEN
        problem := format('the column %s of public.users has to have a value', array_to_string(columns, ' or '));
        advice := CASE
            WHEN given ?| columns THEN format('Give a %s.', array_to_string(columns, ' or '))
            ELSE 'Nothing gives it one here: it needs a default.'
        END;
    ELSIF state IN ('23505', '23P01') THEN
        SELECT string_agg(pg_get_indexdef(i.indexrelid, k.number, true), ', ' ORDER BY k.number)
        INTO found
        FROM pg_index AS i
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid
        CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k (number)
        WHERE is_of_users AND i.indrelid = users AND c.relname = constraint_name;
        IF found ~ '\musername\M' THEN
            RAISE EXCEPTION 'an account has this username'
            USING ERRCODE = '23505',
            CONSTRAINT = 'username_taken',
            HINT = 'Give another username.';
        ELSIF found ~ '\memail\M' THEN
            RAISE EXCEPTION 'an account has this e-mail address'
            USING ERRCODE = '23505',
            CONSTRAINT = 'email_taken',
            HINT = 'Give another address.';
        ELSIF found IS NOT NULL THEN
            problem := format('another account has a value that %I allows once in public.users', constraint_name);
            advice := format('Give another value for %s.', found);
        END IF;
    ELSE
        SELECT
            format(
                'the constraint %I of %s does not allow this', c.conname, coalesce(type_id::regtype::text, 'public.users')
            ),
            format('It says: %s.', pg_get_constraintdef(c.oid, true))
        INTO problem, advice
        FROM pg_constraint AS c
        WHERE c.conname = constraint_name AND (is_of_users AND c.conrelid = users OR c.contypid = type_id);
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem
        USING ERRCODE = '22023',
        CONSTRAINT = 'user_data_invalid',
        HINT = advice;
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_user_data(
    text, text, text, text, text, text, jsonb
) FROM public;
COMMENT ON FUNCTION tenancy_private.refuse_user_data(text, text, text, text, text, text, jsonb) IS
'What an error says that writing public.users met, as 23505 username_taken, email_taken or 22023 user_data_invalid; '
'nothing where it is about something else.';

-- The one place that writes accounts: a new one, or what is given of one that is
-- there. Answers whether there was one.
CREATE FUNCTION tenancy_private.write_user(
    user_id uuid,
    is_new boolean,
    email text,
    username text,
    first_name text,
    last_name text,
    password_hash text
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema_name text;
    table_name text;
    column_name text;
    constraint_name text;
    type_name text;
BEGIN
    IF NOT (
        coalesce(tenancy_private.is_plain(username), true)
        AND coalesce(tenancy_private.is_plain(first_name), true)
        AND coalesce(tenancy_private.is_plain(last_name), true)
    ) THEN
        RAISE EXCEPTION 'the names of a person have at most 200 characters, without control characters and marks of direction'
        USING ERRCODE = '22023',
        CONSTRAINT = 'user_data_invalid',
        HINT = 'Give another name.';
    END IF;
    IF is_new THEN
        RETURN tenancy_private.insert_row('public.users', jsonb_build_object(
            'id', write_user.user_id, 'email', write_user.email, 'username', write_user.username,
            'first_name', write_user.first_name, 'last_name', write_user.last_name,
            'password_hash', write_user.password_hash, 'role', 'user', 'created_at', now(), 'updated_at', now()
        ));
    END IF;
    RETURN tenancy_private.update_rows(
        'public.users', jsonb_build_object('id', write_user.user_id), jsonb_strip_nulls(jsonb_build_object(
            'email', write_user.email, 'username', write_user.username, 'first_name', write_user.first_name,
            'last_name', write_user.last_name, 'password_hash', write_user.password_hash, 'updated_at', now()
        ))
    ) > 0;
EXCEPTION
    WHEN integrity_constraint_violation OR string_data_right_truncation THEN
        GET STACKED DIAGNOSTICS
            schema_name = SCHEMA_NAME,
            table_name = TABLE_NAME,
            column_name = COLUMN_NAME,
            constraint_name = CONSTRAINT_NAME,
            type_name = PG_DATATYPE_NAME;
        PERFORM tenancy_private.refuse_user_data(
            sqlstate, schema_name, table_name, column_name, constraint_name, type_name,
            jsonb_build_object(
                'email', email, 'username', username, 'first_name', first_name, 'last_name', last_name,
                'password_hash', password_hash
            )
        );
        RAISE;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.write_user(
    uuid, boolean, text, text, text, text, text
) FROM public;

CREATE FUNCTION tenancy_private.new_user(
    email text, username text, first_name text, last_name text, password_hash text
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_id CONSTANT uuid := gen_random_uuid();
    new_email CONSTANT text := tenancy_private.checked_email(new_user.email);
BEGIN
    PERFORM tenancy_private.lock_email(new_email);
    IF EXISTS (
        SELECT FROM tenancy_private.user_emails AS e
        WHERE e.email = tenancy_private.email_key(new_email)
    ) THEN
        RAISE EXCEPTION 'an account has this e-mail address'
        USING ERRCODE = '23505',
        CONSTRAINT = 'email_taken',
        HINT = 'Invite the person who has it, or give another address.';
    END IF;
    PERFORM tenancy_private.write_user(
        new_id, true, new_email, new_user.username, new_user.first_name, new_user.last_name, new_user.password_hash
    );
    RETURN new_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.new_user(text, text, text, text, text) FROM public;
COMMENT ON FUNCTION tenancy_private.new_user(text, text, text, text, text) IS
'Makes an account and answers with its id. Raises 23505 email_taken, username_taken, 22023 email_invalid, '
'user_data_invalid.';

-- Who is a member already stays what he is. Without the organization's counter,
-- because nobody becomes less of an owner by it.
CREATE FUNCTION tenancy_private.add_member(
    joined_organization_id uuid, new_member_id uuid, given_role text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tenancy_private.insert_row('public.organization_memberships', jsonb_build_object(
        'organization_id', joined_organization_id, 'user_id', new_member_id, 'role', given_role, 'created_at', now()
    ), skip_conflicts => true);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.add_member(uuid, uuid, text) FROM public;

CREATE FUNCTION tenancy_private.invitation_status(
    accepted_at timestamptz, revoked_at timestamptz, lapsed_at timestamptz, expires_at timestamptz,
    seen_at timestamptz
) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN accepted_at IS NOT NULL THEN 'accepted'
    WHEN revoked_at IS NOT NULL THEN 'revoked'
    WHEN lapsed_at IS NOT NULL OR expires_at <= seen_at THEN 'expired'
    ELSE 'pending'
END;
REVOKE ALL ON FUNCTION tenancy_private.invitation_status(
    timestamptz, timestamptz, timestamptz, timestamptz, timestamptz
) FROM public;

-- A token has 244 random bits, so looking for its hash, and a hash that is fast,
-- are safe: there is nothing to try out.
CREATE FUNCTION tenancy_private.token_hash(token text) RETURNS bytea
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN sha256(convert_to(token, 'UTF8'));
REVOKE ALL ON FUNCTION tenancy_private.token_hash(text) FROM public;

-- An inviter learns of the address whether it is a member's, and of nobody
-- outside of the organization whether there is an account. Two invitations at
-- once wait for each other at the organization's counter.
CREATE FUNCTION tenancy.invite_member(
    email text,
    role text DEFAULT 'user',
    expires_in interval DEFAULT '7 days',
    OUT id uuid,
    OUT token text
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('members.invite');
    invited_email text;
    invited_at CONSTANT timestamptz := clock_timestamp();
    -- In seconds, so that a month is 30 days and no day is an hour short.
    lifetime CONSTANT double precision := extract(EPOCH FROM coalesce(invite_member.expires_in, '7 days'));
BEGIN
    PERFORM tenancy_private.check_role(invite_member.role);
    PERFORM tenancy_private.check_delegation(acting.role, invite_member.role);
    invited_email := tenancy_private.checked_email(invite_member.email);
    IF lifetime <= 0 OR lifetime > 90 * 86400 THEN
        RAISE EXCEPTION '%', CASE
            WHEN lifetime = 0 THEN 'an invitation that is open for no time can be accepted by nobody'
            WHEN lifetime < 0 THEN 'an invitation does not expire before it is made'
            ELSE 'an invitation is open for 90 days at most'
        END
        USING ERRCODE = '22023',
        CONSTRAINT = 'invitation_expiry_invalid',
        HINT = 'Give an interval of more than nothing and not more than 90 days, or NULL for 7 days.';
    END IF;

    IF EXISTS (
        SELECT FROM tenancy_private.user_emails AS e
        INNER JOIN public.organization_memberships AS m ON e.user_id = m.user_id
        WHERE e.email = tenancy_private.email_key(invited_email) AND m.organization_id = acting.organization_id
    ) THEN
        RAISE EXCEPTION 'a member of the organization has this e-mail address'
        USING ERRCODE = '23505',
        CONSTRAINT = 'already_a_member',
        HINT = 'tenancy.members() lists the members, and tenancy.change_member_role() gives one another role.';
    END IF;

    UPDATE tenancy.invitations AS i
    SET lapsed_at = invited_at
    WHERE i.organization_id = acting.organization_id
        AND lower(i.email) = lower(invited_email)
        AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.lapsed_at IS NULL
        AND i.expires_at <= invited_at;
    IF EXISTS (
        SELECT FROM tenancy.invitations AS i
        WHERE i.organization_id = acting.organization_id
            AND lower(i.email) = lower(invited_email)
            AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.lapsed_at IS NULL
    ) THEN
        RAISE EXCEPTION 'this e-mail address has an invitation that is open'
        USING ERRCODE = '23505',
        CONSTRAINT = 'invitation_pending',
        HINT = 'Revoke it with tenancy.revoke_invitation(), if it got lost, and invite again.';
    END IF;

    id := gen_random_uuid();
    token := 'inv_' || encode(tenancy_private.random_bytes(), 'hex');
    INSERT INTO tenancy.invitations (
        id, organization_id, email, role, token_hash, invited_by_user_id, created_at, expires_at
    )
    VALUES (
        invite_member.id, acting.organization_id, invited_email, invite_member.role,
        tenancy_private.token_hash(token), acting.user_id, invited_at, invited_at + make_interval(secs => lifetime)
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.invite_member(text, text, interval) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.invite_member(text, text, interval) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.invite_member(text, text, interval) IS
'Invites an e-mail address into the current organization, and shows the token, this once: send it to that address and '
'show it to nobody else. Needs members.invite, and a delegation for the role. Raises 23505 already_a_member, '
'invitation_pending, 22023 email_invalid, invitation_expiry_invalid, unknown_role, 42501 permission_denied, '
'delegation_denied.';

CREATE FUNCTION tenancy.invitations()
RETURNS TABLE (
    id uuid,
    email text,
    role text,
    status text,
    invited_by_user_id uuid,
    created_at timestamptz,
    expires_at timestamptz
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    current_organization_id CONSTANT uuid := tenancy.current_organization_id();
    seen_at CONSTANT timestamptz := clock_timestamp();
BEGIN
    IF current_organization_id IS NULL THEN
        PERFORM tenancy_private.refuse_personal();
    END IF;
    PERFORM tenancy.require_permission('members.invite');
    RETURN QUERY
    SELECT
        i.id,
        i.email,
        i.role,
        tenancy_private.invitation_status(i.accepted_at, i.revoked_at, i.lapsed_at, i.expires_at, seen_at),
        i.invited_by_user_id,
        i.created_at,
        i.expires_at
    FROM tenancy.invitations AS i
    WHERE i.organization_id = current_organization_id
    ORDER BY i.created_at DESC, i.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.invitations() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.invitations() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.invitations() IS
'The current organization''s invitations with a status, pending, accepted, revoked or expired; the newest first. '
'Needs members.invite.';

CREATE FUNCTION tenancy.revoke_invitation(id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    acting CONSTANT record := tenancy_private.act_in_organization('members.invite');
    promised_role text;
    status text;
BEGIN
    -- Locked: it may be accepted at this moment.
    SELECT
        i.role,
        tenancy_private.invitation_status(
            i.accepted_at, i.revoked_at, i.lapsed_at, i.expires_at, clock_timestamp()
        )
    INTO promised_role, status
    FROM tenancy.invitations AS i
    WHERE i.organization_id = acting.organization_id AND i.id = revoke_invitation.id
    FOR NO KEY UPDATE;
    IF promised_role IS NULL THEN
        RAISE EXCEPTION 'the organization has no such invitation'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'invitation_not_found',
        HINT = 'tenancy.invitations() lists the invitations.';
    END IF;
    PERFORM tenancy_private.check_delegation(acting.role, promised_role);
    IF status <> 'pending' THEN
        RAISE EXCEPTION 'the invitation is %', status
        USING ERRCODE = '55000',
        CONSTRAINT = 'invitation_not_pending',
        HINT = 'Only an invitation that is pending can be revoked; tenancy.remove_member() ends a membership.';
    END IF;
    UPDATE tenancy.invitations AS i
    SET revoked_at = clock_timestamp()
    WHERE i.organization_id = acting.organization_id AND i.id = revoke_invitation.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.revoke_invitation(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.revoke_invitation(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.revoke_invitation(uuid) IS
'Takes an open invitation of the current organization back. Needs members.invite, and a delegation for the role that '
'it promised. Raises P0002 invitation_not_found, 55000 invitation_not_pending, 42501 permission_denied, '
'delegation_denied.';

-- Whatever is wrong with a token, its holder learns no more than that.
CREATE FUNCTION tenancy_private.refuse_invitation() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the invitation is not valid'
    USING ERRCODE = '28000',
    CONSTRAINT = 'invalid_invitation',
    HINT = 'It is unknown, expired, revoked, or used already. Whoever sent it can send another.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_invitation() FROM public;

-- For people who belong to nothing yet: the token is all they show, and no
-- context is needed, looked at or made. It opens to the account of the address
-- that was invited, whoever the caller may be.
--
-- One statement uses the invitation up and finds out whether it may be used, so
-- that of many who come at once one is the first, and a token that is wrong
-- costs the same for whatever reason.
CREATE FUNCTION tenancy.accept_invitation(
    token text,
    username text DEFAULT NULL,
    first_name text DEFAULT NULL,
    last_name text DEFAULT NULL,
    password_hash text DEFAULT NULL,
    OUT user_id uuid,
    OUT organization_id uuid
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    invitation record;
BEGIN
    UPDATE tenancy.invitations AS i
    SET accepted_at = clock_timestamp()
    FROM tenancy.workspaces AS w
    WHERE i.token_hash = tenancy_private.token_hash(accept_invitation.token)
        AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.lapsed_at IS NULL
        AND i.expires_at > clock_timestamp()
        AND w.id = i.organization_id AND w.deleted_at IS NULL
    RETURNING i.id, i.organization_id, i.email, i.role INTO invitation;
    -- It may have been deleted since this transaction looked. Changes of the
    -- organization are not waited for, and not held up.
    IF tenancy_private.reads_the_past() THEN
        PERFORM FROM tenancy.workspaces AS w
        WHERE w.id = invitation.organization_id AND w.deleted_at IS NULL
        FOR SHARE;
    ELSE
        PERFORM FROM tenancy.workspaces AS w
        WHERE w.id = invitation.organization_id AND w.deleted_at IS NULL
        FOR KEY SHARE;
    END IF;
    IF NOT FOUND THEN
        PERFORM tenancy_private.refuse_invitation();
    END IF;

    organization_id := invitation.organization_id;
    user_id := tenancy_private.user_with_email(invitation.email);
    IF user_id IS NULL THEN
        PERFORM tenancy_private.lock_email(invitation.email);
        -- Another invitation of the same address may have made the account since.
        user_id := tenancy_private.user_with_email(invitation.email);
    END IF;
    IF user_id IS NULL THEN
        user_id := tenancy_private.new_user(
            invitation.email, accept_invitation.username, accept_invitation.first_name, accept_invitation.last_name,
            accept_invitation.password_hash
        );
    END IF;
    PERFORM tenancy_private.add_member(invitation.organization_id, accept_invitation.user_id, invitation.role);
    UPDATE tenancy.invitations AS i
    SET accepted_by_user_id = accept_invitation.user_id
    WHERE i.organization_id = invitation.organization_id AND i.id = invitation.id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.accept_invitation(text, text, text, text, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.accept_invitation(text, text, text, text, text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.accept_invitation(text, text, text, text, text) IS
'Makes the account of the invited address a member, and the account first, with what is given here, if there is none; '
'of one that is there nothing is changed. A token works once. Needs no context and makes none: enter afterwards. '
'Raises 28000 invalid_invitation, 21000 email_ambiguous, 23505 username_taken, 22023 user_data_invalid.';

CREATE FUNCTION tenancy.peek_invitation(
    token text, OUT organization_name text, OUT role text, OUT account_exists boolean
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    SELECT
        o.name,
        i.role,
        EXISTS (
            SELECT FROM tenancy_private.user_emails AS e WHERE e.email = tenancy_private.email_key(i.email)
        )
    INTO organization_name, role, account_exists
    FROM tenancy.invitations AS i
    INNER JOIN tenancy.workspaces AS w ON i.organization_id = w.id
    INNER JOIN public.organizations AS o ON i.organization_id = o.id
    WHERE i.token_hash = tenancy_private.token_hash(peek_invitation.token)
        AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.lapsed_at IS NULL
        AND i.expires_at > clock_timestamp()
        AND w.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM tenancy_private.refuse_invitation();
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.peek_invitation(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.peek_invitation(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.peek_invitation(text) IS
'What the page shows that asks whether to accept: the organization, the role, and whether the invited address has an '
'account already. Uses nothing up. Raises 28000 invalid_invitation.';

COMMIT;
