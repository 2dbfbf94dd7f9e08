-- Deploy pg-tenancy:kernel/context to pg
-- requires: kernel/workspaces_backfill
-- requires: kernel/seal_keys

\set change kernel/context
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The context is three session variables of one transaction. Two are plain:
-- tenancy.current_user_id and tenancy.current_organization_id, which is empty in
-- personal mode and the nil UUID in the platform's workspace. The third,
-- tenancy.context, has no spaces:
--
--     key's id (8) | HMAC (64) | bits of the permissions | _ | role | _ | credential
--
-- The HMAC covers everything after it, the two plain variables, the transaction's start, and
-- the file of the key's table, which differs in a copy of the database; a restored one has
-- other keys. So a seal fits no other transaction and no other database. It is replaced by
-- zeros where a parameter that the application cannot set carries the context.
-- timestamptz_send() and convert_to() do not depend on the caller's settings. The lengths come
-- first, so that no other split of the same characters has the same seal.
CREATE FUNCTION tenancy_private.seal(
    inner_block bytea, outer_block bytea, user_id text, organization_id text, facts text
) RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN encode(sha256(outer_block || sha256(
    inner_block || timestamptz_send(now()) || convert_to(
        length(user_id) || '/' || length(organization_id) || '/'
        || user_id || organization_id || facts || '/'
        || pg_relation_filepath('tenancy_private.seal_keys'::regclass), 'UTF8'
    )
)), 'hex');
REVOKE ALL ON FUNCTION tenancy_private.seal(bytea, bytea, text, text, text) FROM public;
COMMENT ON FUNCTION tenancy_private.seal(bytea, bytea, text, text, text) IS
'HMAC-SHA256 of a context in this transaction and this database: RFC 2104, with two keys that have nothing to do with each '
'other in the place of one key''s two blocks (NMAC; Bellare, Canetti, Krawczyk 1996).';

-- Raises the error for a context that does not verify.
CREATE FUNCTION tenancy_private.refuse_context() RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF concat(
        current_setting('tenancy.context', true),
        current_setting('tenancy.current_user_id', true),
        current_setting('tenancy.current_organization_id', true)
    ) = '' THEN
        RAISE EXCEPTION 'this transaction is in no workspace'
        USING ERRCODE = '28000',
        CONSTRAINT = 'no_context',
        HINT = 'Call tenancy.enter(user_id, organization_id) first, in the same transaction: BEGIN, enter, query, COMMIT.';
    END IF;
    RAISE EXCEPTION 'the session context was not set by tenancy.enter() in this transaction'
    USING ERRCODE = '28000',
    CONSTRAINT = 'invalid_context',
    HINT = 'Do not set tenancy.* variables by hand: open a transaction and call tenancy.enter(user_id, organization_id).';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_context() FROM public;

-- Verifies with the key: after a rotation, and where no parameter carries the context.
CREATE FUNCTION tenancy.verify_context() RETURNS uuid
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    context CONSTANT text := current_setting('tenancy.context', true);
    sealed_user CONSTANT text := current_setting('tenancy.current_user_id', true);
    sealed_organization CONSTANT text := current_setting('tenancy.current_organization_id', true);
    key record;
BEGIN
    SELECT k.rotation, k.inner_block, k.outer_block INTO key
    FROM tenancy_private.seal_keys AS k
    WHERE k.id = left(context, 8) AND k.valid_until > clock_timestamp();

    IF key.rotation IS NULL
        OR current_setting('backtrace_functions') IS DISTINCT FROM tenancy_private.carried(
            key.rotation, sealed_user, sealed_organization, context
        ) AND substr(context, 9, 64) IS DISTINCT FROM tenancy_private.seal(
            key.inner_block, key.outer_block, sealed_user, sealed_organization, substr(context, 73)
        )
    THEN
        PERFORM tenancy_private.refuse_context();
    END IF;
    RETURN coalesce(nullif(sealed_organization, ''), sealed_user)::uuid;
END;
$$;
REVOKE ALL ON FUNCTION tenancy.verify_context() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.verify_context()
TO tenancy_credentialed, tenancy_service, tenancy_legacy, tenancy_writer;
COMMENT ON FUNCTION tenancy.verify_context() IS
'The fallback of current_workspace_id(): the same result and the same errors, more slowly.';

-- The context is verified only here: the floors of protected tables, the readers below and the
-- functions all call this. A context that is missing or was not made by tenancy.enter() raises,
-- whatever the rows are: the floor compares the result with the variables, and PostgreSQL does
-- so before it opens the table.
--
-- Where tenancy_owner may set it (roles), entering copies the context into backtrace_functions,
-- the one text parameter that only superusers can set and everybody can read; carried() is its
-- format. It includes the number of the last rotation, and proves the context without the key.
-- SECURITY DEFINER or a search_path would triple the cost: so every name has its schema, and
-- there is no NULLIF, which takes its "=" from the caller's path.
CREATE FUNCTION tenancy.current_workspace_id() RETURNS uuid
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
AS $$
BEGIN
    IF pg_catalog.current_setting('backtrace_functions') OPERATOR(pg_catalog.=)
        pg_catalog.concat(
            pg_catalog.pg_sequence_last_value('tenancy.seal_rotations'), '_',
            pg_catalog.replace(pg_catalog.concat(
                pg_catalog.current_setting('tenancy.current_user_id', true), ',',
                pg_catalog.current_setting('tenancy.current_organization_id', true)
            ), '-', '_'), ' ',
            pg_catalog.current_setting('tenancy.context', true)
        )
    THEN
        RETURN CASE
            WHEN pg_catalog.current_setting('tenancy.current_organization_id') OPERATOR(pg_catalog.<>) ''
                THEN pg_catalog.current_setting('tenancy.current_organization_id')
            ELSE pg_catalog.current_setting('tenancy.current_user_id')
        END::pg_catalog.uuid;
    END IF;
    RETURN tenancy.verify_context();
END;
$$;
REVOKE ALL ON FUNCTION tenancy.current_workspace_id() FROM public;
-- The writer needs it for the defaults of columns that it does not set.
GRANT EXECUTE ON FUNCTION tenancy.current_workspace_id()
TO tenancy_credentialed, tenancy_service, tenancy_legacy, tenancy_writer;
COMMENT ON FUNCTION tenancy.current_workspace_id() IS
'The workspace that this transaction works in: the organization''s id, the user''s id in personal mode, or the nil UUID in '
'the platform''s. Raises 28000 no_context or invalid_context.';

-- The readers are plain expressions over the verified context.
CREATE FUNCTION tenancy.current_user_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN tenancy.current_workspace_id() IS NOT NULL
        THEN nullif(current_setting('tenancy.current_user_id'), '')::uuid
END;
REVOKE ALL ON FUNCTION tenancy.current_user_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_user_id() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_user_id() IS
'Who acts in this transaction; NULL where an organization''s API key does whose maker has no account any more.';

CREATE FUNCTION tenancy.current_organization_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN tenancy.current_workspace_id() <> '00000000-0000-0000-0000-000000000000'
        THEN nullif(current_setting('tenancy.current_organization_id'), '')::uuid
END;
REVOKE ALL ON FUNCTION tenancy.current_organization_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_organization_id()
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_organization_id() IS
'The organization that this transaction works in, NULL in personal mode and in the platform''s workspace.';

-- The sealed role also marks platform staff in their personal workspace, where
-- nobody has a role.
CREATE FUNCTION tenancy.current_role() RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN tenancy.current_workspace_id() IS NOT NULL
        AND current_setting('tenancy.current_organization_id') <> ''
        THEN split_part(current_setting('tenancy.context'), '_', 2)
END;
REVOKE ALL ON FUNCTION tenancy.current_role() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_role() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_role() IS
'The role in the current organization: owner, admin, manager or user; staff in the platform''s workspace; NULL in personal '
'mode.';

-- A program that entered with an API key works for the workspace, not for the key's user.
CREATE FUNCTION tenancy.current_credential_id() RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN tenancy.current_workspace_id() IS NOT NULL
        THEN nullif(split_part(current_setting('tenancy.context'), '_', 3), '')::uuid
END;
REVOKE ALL ON FUNCTION tenancy.current_credential_id() FROM public;
GRANT EXECUTE ON FUNCTION tenancy.current_credential_id() TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.current_credential_id() IS
'The API key that this transaction entered with, NULL where a person did.';

CREATE FUNCTION tenancy_private.is_staff() RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN tenancy.current_workspace_id() IS NOT NULL
    AND split_part(current_setting('tenancy.context'), '_', 2) = 'staff';
REVOKE ALL ON FUNCTION tenancy_private.is_staff() FROM public;
COMMENT ON FUNCTION tenancy_private.is_staff() IS
'Whether platform staff act, in the platform''s workspace or in personal mode.';

\ir ../../notes/done.psql
COMMIT;
