-- Deploy pg-tenancy:kernel/invitations_functions to pg
-- requires: kernel/invitations
-- requires: kernel/accounts

\set change kernel/invitations_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

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

-- A token has 244 random bits and cannot be guessed, so a fast hash and a look-up by it are
-- safe.
CREATE FUNCTION tenancy_private.token_hash(token text) RETURNS bytea
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN sha256(convert_to(token, 'UTF8'));
REVOKE ALL ON FUNCTION tenancy_private.token_hash(text) FROM public;

-- An inviter learns whether the address belongs to a member, but not whether anybody else has
-- an account. Simultaneous invitations wait for each other at the organization's counter.
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
        HINT = 'expires_in must be greater than 0 and at most 90 days; NULL means 7 days.';
    END IF;

    IF EXISTS (
        SELECT FROM tenancy_private.user_emails AS e
        INNER JOIN public.organization_memberships AS m ON e.user_id = m.user_id
        WHERE e.email = tenancy_private.email_key(invited_email) AND m.organization_id = acting.organization_id
    ) THEN
        RAISE EXCEPTION 'a member of the organization already has this e-mail address'
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
        RAISE EXCEPTION 'this e-mail address already has a pending invitation'
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
GRANT EXECUTE ON FUNCTION tenancy.invite_member(text, text, interval)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.invite_member(text, text, interval) IS
'Invites an e-mail address into the current organization, and returns the token, only this once: send it to that '
'address and show it to nobody else. Requires members.invite, and a delegation for the role. Raises 23505 '
'already_a_member, invitation_pending, 22023 email_invalid, invitation_expiry_invalid, unknown_role, 42501 '
'permission_denied, delegation_denied.';

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
    current_organization_id CONSTANT uuid := tenancy_private.read_in_organization('members.invite');
    seen_at CONSTANT timestamptz := clock_timestamp();
BEGIN
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
'Requires members.invite.';

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
'Revokes a pending invitation of the current organization. Requires members.invite, and a delegation for the role '
'that it promised. Raises P0002 invitation_not_found, 55000 invitation_not_pending, 42501 permission_denied, '
'delegation_denied.';

-- One error for every problem with a token, so that its holder learns nothing
-- more.
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
    HINT = 'It is unknown, expired, revoked or already used. The organization can send another.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_invitation() FROM public;

-- For people who may not be members of anything yet: the token is their only credential, and no
-- context is needed, read or created. It acts for the account of the invited address, whoever
-- the caller is.
--
-- One statement both checks the invitation and uses it, so that only one of several
-- simultaneous callers succeeds, and every invalid token takes the same time.
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
    -- The organization may have been deleted since this transaction's snapshot. This neither
    -- waits for changes of the organization nor blocks them.
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
        -- Another invitation of the same address may have created the account since.
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
GRANT EXECUTE ON FUNCTION tenancy.accept_invitation(text, text, text, text, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.accept_invitation(text, text, text, text, text) IS
'Makes the account of the invited address a member; if there is none, creates it with the given data. An existing '
'account is not changed. A token works once. Requires no context and creates none: enter afterwards. Raises 28000 '
'invalid_invitation, 21000 email_ambiguous, 23505 username_taken, 22023 user_data_invalid.';

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
'What a page that asks whether to accept shows: the organization, the role, and whether the invited address has an '
'account. Does not use the token. Raises 28000 invalid_invitation.';

\ir ../../notes/done.psql
COMMIT;
