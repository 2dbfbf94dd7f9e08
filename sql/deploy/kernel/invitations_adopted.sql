-- Deploy pg-tenancy:kernel/invitations_adopted to pg
-- requires: kernel/invitations_functions

\set change kernel/invitations_adopted
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- An application may have its own invitations, with tokens in plain text. Pending ones are
-- adopted by the hash of their token, so that links already sent keep working, and further
-- changes by the application are applied here too. An invitation accepted or revoked here also
-- ends there, so that no token works twice.
SELECT (
    SELECT count(*) = 6 AND bool_and(
        CASE
            WHEN a.attname IN ('id', 'organization_id') THEN a.atttypid = 'uuid'::regtype
            WHEN a.attname IN ('email', 'token') THEN y.typcategory = 'S'
            ELSE a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)
        END
    )
    FROM pg_attribute AS a
    INNER JOIN pg_type AS y ON a.atttypid = y.oid
    WHERE a.attrelid = to_regclass('public.organization_invitations') AND NOT a.attisdropped
        AND a.attname IN ('id', 'organization_id', 'email', 'token', 'expires_at', 'accepted_at')
) AS has_invitations
\gset

SET LOCAL ROLE tenancy_owner;

-- Creates or updates the invitation that a row of the application represents. Of several
-- invitations of an address the newest is pending.
CREATE FUNCTION tenancy_private.adopt_invitation(invitation jsonb) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given_role CONSTANT text := coalesce(invitation ->> 'role', 'user');
    given_expiry CONSTANT timestamptz := invitation ->> 'expires_at';
    given_start CONSTANT timestamptz := least(
        coalesce((invitation ->> 'created_at')::timestamptz, now()), given_expiry - interval '1 second'
    );
BEGIN
    IF invitation ->> 'accepted_at' IS NOT NULL
        OR given_expiry IS NULL OR given_expiry <= now() OR invitation ->> 'token' IS NULL
        OR given_role NOT IN ('owner', 'admin', 'manager', 'user')
        OR tenancy_private.email_key(invitation ->> 'email') IS NULL
    THEN
        RETURN;
    END IF;
    UPDATE tenancy.invitations AS i
    SET lapsed_at = clock_timestamp()
    WHERE i.organization_id = (invitation ->> 'organization_id')::uuid
        AND lower(i.email) = lower(btrim(invitation ->> 'email'))
        AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.lapsed_at IS NULL;
    INSERT INTO tenancy.invitations (
        id, organization_id, email, role, token_hash, invited_by_user_id, created_at, expires_at
    )
    SELECT
        (invitation ->> 'id')::uuid,
        o.id,
        btrim(invitation ->> 'email'),
        given_role,
        tenancy_private.token_hash(invitation ->> 'token'),
        (SELECT u.id FROM public.users AS u WHERE u.id = (invitation ->> 'invited_by_user_id')::uuid),
        given_start,
        given_expiry
    FROM public.organizations AS o
    WHERE o.id = (invitation ->> 'organization_id')::uuid
    ON CONFLICT ON CONSTRAINT invitations_pkey DO UPDATE SET
        email = excluded.email, role = excluded.role, token_hash = excluded.token_hash,
        created_at = excluded.created_at, expires_at = excluded.expires_at, lapsed_at = NULL, revoked_at = NULL
    WHERE invitations.accepted_at IS NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.adopt_invitation(jsonb) FROM public;

CREATE FUNCTION tenancy_private.take_invitation() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    was CONSTANT jsonb := CASE WHEN tg_op <> 'INSERT' THEN to_jsonb(old) END;
    found CONSTANT jsonb := CASE WHEN tg_op <> 'DELETE' THEN to_jsonb(new) END;
BEGIN
    -- Changes that come from here are already applied.
    IF current_setting('tenancy.ending_invitation', true) = coalesce(was ->> 'id', '-') THEN
        RETURN NULL;
    END IF;
    IF tg_op <> 'INSERT' THEN
        UPDATE tenancy.invitations AS i
        SET
            accepted_at = (found ->> 'accepted_at')::timestamptz,
            revoked_at = CASE WHEN found ->> 'accepted_at' IS NULL THEN clock_timestamp() END
        WHERE i.organization_id = (was ->> 'organization_id')::uuid AND i.id = (was ->> 'id')::uuid
            AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.lapsed_at IS NULL
            AND (
                found IS NULL OR found ->> 'accepted_at' IS NOT NULL
                OR (found ->> 'expires_at')::timestamptz <= clock_timestamp()
            );
    END IF;
    IF tg_op = 'INSERT'
        OR tg_op = 'UPDATE' AND (was ->> 'token', was ->> 'email', was ->> 'role', was ->> 'expires_at')
        IS DISTINCT FROM (found ->> 'token', found ->> 'email', found ->> 'role', found ->> 'expires_at')
    THEN
        PERFORM tenancy_private.adopt_invitation(found);
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.take_invitation() FROM public;

-- If the application's row was deleted or never existed, there is nothing to do.
CREATE FUNCTION tenancy_private.end_adopted_invitation() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM set_config('tenancy.ending_invitation', new.id::text, true);
    PERFORM tenancy_private.update_rows(
        'public.organization_invitations',
        jsonb_build_object('id', new.id, 'organization_id', new.organization_id),
        CASE
            WHEN new.accepted_at IS NOT NULL THEN jsonb_build_object('accepted_at', new.accepted_at)
            ELSE jsonb_build_object('expires_at', least(new.expires_at, clock_timestamp()))
        END
    );
    PERFORM set_config('tenancy.ending_invitation', '', true);
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.end_adopted_invitation() FROM public;

RESET ROLE;

\if :has_invitations
CALL tenancy_private.patiently(
    ARRAY['public.organization_invitations']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);
CALL tenancy_private.grant_to_owner('public.organization_invitations');

SELECT count(tenancy_private.adopt_invitation(to_jsonb(i))) AS adopted
FROM (
    SELECT a.* FROM public.organization_invitations AS a
    WHERE a.accepted_at IS NULL AND a.expires_at > now()
        AND NOT EXISTS (
            SELECT FROM tenancy.invitations AS n
            WHERE n.id = a.id AND n.organization_id = a.organization_id
        )
    ORDER BY to_jsonb(a) ->> 'created_at', a.expires_at
) AS i
\gset

CREATE TRIGGER organization_invitations_tenancy_taken
AFTER INSERT OR UPDATE OR DELETE ON public.organization_invitations
FOR EACH ROW EXECUTE FUNCTION tenancy_private.take_invitation();
CALL tenancy_private.record_part(
    'public.organization_invitations', 'trigger', 'organization_invitations_tenancy_taken',
    :'change'
);

CREATE TRIGGER invitations_adopted
AFTER UPDATE ON tenancy.invitations
FOR EACH ROW
WHEN (
    old.accepted_at IS NULL AND old.revoked_at IS NULL AND old.lapsed_at IS NULL
    AND (new.accepted_at IS NOT NULL OR new.revoked_at IS NOT NULL)
)
EXECUTE FUNCTION tenancy_private.end_adopted_invitation();
CALL tenancy_private.record_triggers('tenancy.invitations', 'invitations_adopted');
\endif

\ir ../../notes/done.psql
COMMIT;
