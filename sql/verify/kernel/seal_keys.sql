-- Verify pg-tenancy:kernel/seal_keys on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM tenancy_private.seal_keys AS k WHERE k.superseded_at IS NULL) THEN
        RAISE EXCEPTION 'no current seal key exists';
    END IF;
    IF NOT (SELECT c.relrowsecurity FROM pg_catalog.pg_class AS c WHERE c.oid = 'tenancy_private.seal_keys'::regclass) THEN
        RAISE EXCEPTION 'row-level security of tenancy_private.seal_keys is not enabled';
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.hmac_block(bytea, integer)',
    'tenancy_private.random_bytes()',
    'tenancy_private.random_block(text)',
    'tenancy_private.carried(bigint, text, text, text)',
    'tenancy.rotate_seal_key(interval)'
]);

ROLLBACK;
