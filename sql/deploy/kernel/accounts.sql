-- Deploy pg-tenancy:kernel/accounts to pg
-- requires: kernel/user_emails_backfill
-- requires: kernel/memberships_functions

\set change kernel/accounts
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Checks no more than a mailer needs: some text, an @, some text, and no character that could
-- turn it into two addresses or a header line.
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
        RAISE EXCEPTION 'invalid e-mail address'
        USING ERRCODE = '22023',
        CONSTRAINT = 'email_invalid',
        HINT = 'One address of at most 254 characters, name@example.com, without a display name.';
    END IF;
    RETURN trimmed;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.checked_email(text) FROM public;

-- Only this function writes accounts: it changes the given columns of the account with a key
-- or, without a key, creates one. Returns what write_data() returns.
CREATE FUNCTION tenancy_private.write_user(
    key jsonb,
    email text,
    username text,
    first_name text,
    last_name text,
    password_hash text
) RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given jsonb := jsonb_strip_nulls(jsonb_build_object(
        'email', write_user.email, 'username', write_user.username, 'first_name', write_user.first_name,
        'last_name', write_user.last_name, 'password_hash', write_user.password_hash, 'updated_at', now()
    ));
BEGIN
    IF NOT (
        coalesce(tenancy_private.is_plain(username), true)
        AND coalesce(tenancy_private.is_plain(first_name), true)
        AND coalesce(tenancy_private.is_plain(last_name), true)
    ) THEN
        RAISE EXCEPTION 'a name may have at most 200 characters, no control characters and no direction marks'
        USING ERRCODE = '22023',
        CONSTRAINT = 'user_data_invalid',
        HINT = 'Give another name.';
    END IF;
    IF key IS NULL THEN
        given := given || jsonb_build_object('role', 'user', 'created_at', now());
    END IF;
    RETURN tenancy_private.write_data('public.users', given, key);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.write_user(jsonb, text, text, text, text, text) FROM public;

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
    new_email CONSTANT text := tenancy_private.checked_email(new_user.email);
BEGIN
    PERFORM tenancy_private.lock_email(new_email);
    IF EXISTS (
        SELECT FROM tenancy_private.user_emails AS e
        WHERE e.email = tenancy_private.email_key(new_email)
    ) THEN
        RAISE EXCEPTION 'an account with this e-mail address exists'
        USING ERRCODE = '23505',
        CONSTRAINT = 'email_taken',
        HINT = 'Invite the person who has it, or give another address.';
    END IF;
    RETURN tenancy_private.write_user(
        NULL, new_email, new_user.username, new_user.first_name, new_user.last_name, new_user.password_hash
    ) ->> 'id';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.new_user(text, text, text, text, text) FROM public;
COMMENT ON FUNCTION tenancy_private.new_user(text, text, text, text, text) IS
'Creates an account and returns its id. Raises 23505 email_taken, username_taken, 22023 email_invalid, '
'user_data_invalid.';

-- Existing members keep their role. The organization's counter is not needed, because nobody
-- ceases to be an owner.
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
    PERFORM tenancy_private.write_data('public.organization_memberships', jsonb_build_object(
        'organization_id', joined_organization_id, 'user_id', new_member_id, 'role', given_role, 'created_at', now()
    ), skip_conflicts => true);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.add_member(uuid, uuid, text) FROM public;

\ir ../../notes/done.psql
COMMIT;
