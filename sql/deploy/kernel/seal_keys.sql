-- Deploy pg-tenancy:kernel/seal_keys to pg
-- requires: kernel/policy_helpers

\set change kernel/seal_keys
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- HMAC according to RFC 2104, with the key's two padded blocks computed once: a message then
-- costs two calls of core sha256().
CREATE FUNCTION tenancy_private.hmac_block(key bytea, pad integer) RETURNS bytea
LANGUAGE plpgsql
IMMUTABLE
STRICT
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    short_key CONSTANT bytea := CASE WHEN length(key) > 64 THEN sha256(key) ELSE key END;
    block bytea := decode(repeat(to_hex(pad), 64), 'hex');
BEGIN
    FOR i IN 0..length(short_key) - 1 LOOP
        block := set_byte(block, i, get_byte(short_key, i) # pad);
    END LOOP;
    RETURN block;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.hmac_block(bytea, integer) FROM public;
COMMENT ON FUNCTION tenancy_private.hmac_block(bytea, integer) IS
'The key block of HMAC-SHA256 (RFC 2104): pad is 54 for the inner, 92 for the outer one.';

-- 244 random bits of the server's strong generator, spread over 256.
CREATE FUNCTION tenancy_private.random_bytes() RETURNS bytea
LANGUAGE sql
VOLATILE
PARALLEL SAFE
SECURITY INVOKER
RETURN sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
REVOKE ALL ON FUNCTION tenancy_private.random_bytes() FROM public;

-- For generated columns: PostgreSQL believes that the function is IMMUTABLE, calls it once for
-- each written row, and omits the result from every dump. So a dump reveals no key, and a
-- restored database has other keys.
CREATE FUNCTION tenancy_private.random_block(id text) RETURNS bytea
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN tenancy_private.random_bytes() || tenancy_private.random_bytes();
REVOKE ALL ON FUNCTION tenancy_private.random_block(text) FROM public;
COMMENT ON FUNCTION tenancy_private.random_block(text) IS
'A key as long as a block of SHA-256, different at each call.';

-- The number of key rotations. Verifying a context reads it without a query.
CREATE SEQUENCE tenancy.seal_rotations;
REVOKE ALL ON SEQUENCE tenancy.seal_rotations FROM public;
GRANT SELECT ON SEQUENCE tenancy.seal_rotations
TO tenancy_credentialed, tenancy_service, tenancy_legacy, tenancy_writer;
COMMENT ON SEQUENCE tenancy.seal_rotations IS 'The number of calls of rotate_seal_key().';

-- Proves that tenancy.enter() set the context. Kept where no application role
-- has USAGE; row-level security without a policy and not forced on the owner
-- keeps even pg_read_all_data out.
CREATE TABLE tenancy_private.seal_keys (
    id            text        NOT NULL,
    rotation      bigint      NOT NULL,
    inner_block   bytea       NOT NULL
    GENERATED ALWAYS AS (tenancy_private.random_block(id)) STORED,
    outer_block   bytea       NOT NULL
    GENERATED ALWAYS AS (tenancy_private.random_block(id)) STORED,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    superseded_at timestamptz,
    valid_until   timestamptz NOT NULL DEFAULT 'infinity',
    CONSTRAINT seal_keys_pkey PRIMARY KEY (id),
    CONSTRAINT seal_keys_id_check CHECK (id ~ '^[0-9a-f]{8}$')
);
-- A dump with statistics does not contain them either: these columns have none.
ALTER TABLE tenancy_private.seal_keys
ALTER COLUMN inner_block SET STATISTICS 0,
ALTER COLUMN outer_block SET STATISTICS 0;
CREATE UNIQUE INDEX seal_keys_current_idx
ON tenancy_private.seal_keys ((superseded_at IS NULL))
WHERE superseded_at IS NULL;
CALL tenancy_private.close_own_table('tenancy_private.seal_keys');

-- The text that the parameter with the context must contain: its alphabet is letters,
-- digits, "_", comma and space. Comma and space occur once each, so that no other split of
-- the same characters is valid, and replacements keep their positions, so that nothing
-- moves: an id with "_" is not a UUID.
CREATE FUNCTION tenancy_private.carried(
    rotation bigint, user_id text, organization_id text, context text
) RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN concat(
    rotation, '_', replace(concat(user_id, ',', organization_id), '-', '_'), ' ', context
);
REVOKE ALL ON FUNCTION tenancy_private.carried(bigint, text, text, text) FROM public;

-- Sessions are not blocked while this runs. A transaction that entered under
-- the old key stays valid for the duration "keep"; the next one is sealed with
-- the new key.
CREATE FUNCTION tenancy.rotate_seal_key(keep interval DEFAULT '1 hour') RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF keep IS NULL OR keep < interval '0' THEN
        RAISE EXCEPTION 'keep must not be negative'
        USING ERRCODE = '22023',
        CONSTRAINT = 'keep_invalid',
        HINT = 'keep is how long transactions that entered under the old key go on.';
    END IF;
    -- Two rotations at once would both supersede the same key.
    LOCK TABLE tenancy_private.seal_keys IN SHARE ROW EXCLUSIVE MODE;
    UPDATE tenancy_private.seal_keys AS k
    SET
        superseded_at = coalesce(k.superseded_at, clock_timestamp()),
        valid_until = least(k.valid_until, clock_timestamp() + keep);
    DELETE FROM tenancy_private.seal_keys AS k WHERE k.valid_until <= clock_timestamp();
    INSERT INTO tenancy_private.seal_keys (id, rotation)
    VALUES (
        substr(encode(uuid_send(gen_random_uuid()), 'hex'), 1, 8),
        -- Not nextval(), which a standby sees only now and then. This takes effect at once, and
        -- a transaction that enters before the new key is committed has the old one's number.
        setval('tenancy.seal_rotations', pg_sequence_last_value('tenancy.seal_rotations') + 1)
    );
END;
$$;
REVOKE ALL ON FUNCTION tenancy.rotate_seal_key(interval) FROM public;
COMMENT ON FUNCTION tenancy.rotate_seal_key(interval) IS
'Creates a new key for the seal of the context. Transactions that entered under an older one fail with '
'invalid_context after "keep", with ''0'' at once. Raises 22023 keep_invalid.';

DO $$
BEGIN
    PERFORM setval('tenancy.seal_rotations', 1);
    PERFORM tenancy.rotate_seal_key();
END;
$$;

\ir ../../notes/done.psql
COMMIT;
