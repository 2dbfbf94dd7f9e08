-- Deploy pg-tenancy:kernel/api_keys_activation to pg
-- requires: kernel/activation
-- requires: kernel/api_keys_policies

\set change kernel/api_keys_activation
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.
CALL tenancy_private.make_activatable(
    'kernel/api_keys_activation', 'public.api_keys', kind => 'api_key', subject => 'api_keys'
);

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- A deactivation since this transaction's snapshot is either in the row, which
-- tenancy_private.check_fresh() has checked, or in pending_deactivations, where an INSERT meets
-- it.
CREATE OR REPLACE FUNCTION tenancy_private.require_usable_api_key(api_key_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    activatable CONSTANT tenancy_private.activatable := tenancy_private.activatable_of('api_key');
    missing CONSTANT text[] := (SELECT a.missing FROM tenancy_private.activation_of(activatable, api_key_id) AS a);
BEGIN
    IF missing <> '{}' THEN
        PERFORM tenancy_private.refuse_use(activatable, api_key_id, missing);
    END IF;
    IF tenancy_private.reads_the_past() THEN
        INSERT INTO tenancy_private.pending_deactivations (kind, id, aspect)
        VALUES ('api_key', api_key_id, 'tech'), ('api_key', api_key_id, 'eco');
        RAISE EXCEPTION 'the activations have not changed since they were read' USING ERRCODE = 'TF001';
    END IF;
EXCEPTION
    WHEN SQLSTATE 'TF001' THEN
        NULL;
    WHEN unique_violation THEN
        RAISE EXCEPTION 'could not serialize access: the API key is being deactivated'
        USING ERRCODE = '40001',
        HINT = 'Retry the transaction.';
END;
$$;

RESET ROLE;

\ir ../../notes/done.psql
COMMIT;
