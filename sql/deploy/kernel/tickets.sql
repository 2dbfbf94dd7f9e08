-- Deploy pg-tenancy:kernel/tickets to pg
-- requires: kernel/entering

\set change kernel/tickets
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- A login of tenancy_credentialed instead of tenancy_app cannot name a user. It presents a
-- ticket, signed outside of the database by the service that has authenticated the person, so
-- that not even arbitrary SQL of that login can become somebody else. The keys are stored like
-- those of the seal.
CREATE TABLE tenancy_private.ticket_keys (
    id          text        NOT NULL,
    inner_block bytea       NOT NULL,
    outer_block bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ticket_keys_pkey PRIMARY KEY (id),
    CONSTRAINT ticket_keys_id_check CHECK (id ~ '^[0-9a-f]{8}$')
);
CALL tenancy_private.close_own_table('tenancy_private.ticket_keys');

CREATE FUNCTION tenancy.create_ticket_key(OUT key_id text, OUT secret text)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    key_id := substr(encode(uuid_send(gen_random_uuid()), 'hex'), 1, 8);
    secret := encode(tenancy_private.random_bytes(), 'hex');
    INSERT INTO tenancy_private.ticket_keys (id, inner_block, outer_block)
    VALUES (
        key_id,
        tenancy_private.hmac_block(convert_to(secret, 'UTF8'), 54),
        tenancy_private.hmac_block(convert_to(secret, 'UTF8'), 92)
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.create_ticket_key() FROM public;
COMMENT ON FUNCTION tenancy.create_ticket_key() IS
'Creates a key for tickets and returns its secret, only this once. The signer uses the secret''s 64 ASCII characters '
'as the HS256 key. Several keys can be valid at a time: create the new one, give it to the signer, revoke the old '
'one.';

CREATE FUNCTION tenancy.revoke_ticket_key(key_id text) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    DELETE FROM tenancy_private.ticket_keys AS k WHERE k.id = revoke_ticket_key.key_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no ticket key has the id %', key_id
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'ticket_key_not_found',
        HINT = 'The ids are in tenancy_private.ticket_keys.';
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.revoke_ticket_key(text) FROM public;
COMMENT ON FUNCTION tenancy.revoke_ticket_key(text) IS
'Ends a key at once: tickets signed with it stop working at the next transaction.';

CREATE FUNCTION tenancy_private.decode_base64url(encoded text) RETURNS bytea
LANGUAGE sql
IMMUTABLE
STRICT
PARALLEL SAFE
SECURITY INVOKER
RETURN decode(
    rpad(translate(encoded, '-_', '+/'), (length(encoded) + 3) / 4 * 4, '='), 'base64'
);
REVOKE ALL ON FUNCTION tenancy_private.decode_base64url(text) FROM public;

-- The identity in a ticket, or nothing, without the reason. JWS compact serialization (RFC
-- 7515) with HS256 only; no header can select another algorithm.
CREATE FUNCTION tenancy_private.read_ticket(
    ticket text, OUT key_id text, OUT user_id uuid, OUT organization_id uuid
)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part text[];
    header jsonb;
    claims jsonb;
    expires_in double precision;
BEGIN
    IF length(ticket) > 4096 OR ticket !~ '^[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+$' THEN
        RETURN;
    END IF;
    part := string_to_array(ticket, '.');
    header := convert_from(tenancy_private.decode_base64url(part[1]), 'UTF8')::jsonb;
    IF jsonb_typeof(header) <> 'object' OR header ->> 'alg' IS DISTINCT FROM 'HS256' OR header ? 'crit' THEN
        RETURN;
    END IF;
    SELECT k.id INTO key_id
    FROM tenancy_private.ticket_keys AS k
    WHERE (header ->> 'kid' IS NULL OR k.id = header ->> 'kid')
        AND sha256(k.outer_block || sha256(k.inner_block || convert_to(part[1] || '.' || part[2], 'UTF8')))
        = tenancy_private.decode_base64url(part[3]);
    IF key_id IS NULL THEN
        RETURN;
    END IF;

    claims := convert_from(tenancy_private.decode_base64url(part[2]), 'UTF8')::jsonb;
    IF jsonb_typeof(claims) <> 'object'
        OR jsonb_typeof(claims -> 'sub') IS DISTINCT FROM 'string'
        OR coalesce(jsonb_typeof(claims -> 'org'), 'null') NOT IN ('string', 'null')
        OR jsonb_typeof(claims -> 'exp') IS DISTINCT FROM 'number'
        OR coalesce(jsonb_typeof(claims -> 'nbf'), 'number') <> 'number'
    THEN
        RETURN;
    END IF;
    expires_in := (claims ->> 'exp')::double precision - extract(EPOCH FROM clock_timestamp());
    IF expires_in <= 0 OR expires_in > 3600
        OR (claims ->> 'nbf')::double precision > extract(EPOCH FROM clock_timestamp())
    THEN
        RETURN;
    END IF;
    organization_id := (claims ->> 'org')::uuid;
    user_id := (claims ->> 'sub')::uuid;
EXCEPTION
    WHEN data_exception THEN
        organization_id := NULL;
        user_id := NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.read_ticket(text) FROM public;

CREATE FUNCTION tenancy.enter_with_ticket(ticket text) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    identity record;
    done boolean;
BEGIN
    SELECT t.key_id, t.user_id, t.organization_id INTO identity
    FROM tenancy_private.read_ticket(ticket) AS t;
    IF identity.user_id IS NULL THEN
        PERFORM tenancy_private.check_login();
        RAISE EXCEPTION 'the ticket is not valid'
        USING ERRCODE = '28000',
        CONSTRAINT = 'invalid_ticket',
        HINT = 'A ticket is a JWT, signed HS256 with a key of tenancy.create_ticket_key(), with the claims sub (user), '
        'org (organization, or absent) and exp (at most an hour ahead).';
    END IF;
    -- A transaction with an older snapshot still sees a revoked key.
    IF tenancy_private.reads_the_past() THEN
        PERFORM tenancy_private.check_fresh(
            'key', ARRAY[format('tenancy_private.ticket_keys AS k WHERE k.id = %L', identity.key_id)]
        );
    END IF;
    done := tenancy_private.enter_as(identity.user_id, identity.organization_id);
END;
$$;
REVOKE ALL ON FUNCTION tenancy.enter_with_ticket(text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.enter_with_ticket(text) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.enter_with_ticket(text) IS
'Enters the workspace that a signed ticket names. Raises 28000 invalid_ticket, and what tenancy.enter() raises.';

\ir ../../notes/done.psql
COMMIT;
