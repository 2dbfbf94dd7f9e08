-- Revert pg-tenancy:kernel/api_keys_activation from pg

\set change kernel/api_keys_activation
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

SET ROLE tenancy_owner;

CREATE OR REPLACE FUNCTION tenancy_private.require_usable_api_key(api_key_id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN;
END;
$$;

RESET ROLE;

CALL tenancy_private.release_activatable('kernel/api_keys_activation', 'public.api_keys');

\ir ../../notes/done.psql
