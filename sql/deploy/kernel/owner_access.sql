-- Deploy pg-tenancy:kernel/owner_access to pg
-- requires: kernel/contracts
-- requires: kernel/base_tables

\set change kernel/owner_access
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The functions of pg-tenancy run as tenancy_owner, which reads tables of the
-- application, and locks rows, and writes none of them: a table's triggers run with
-- the rights of whoever writes, and the owner of such a table could make one that
-- reads the keys. What is written there is written by tenancy_writer, which may do
-- nothing else. These two procedures give and take both roles' rights. Where
-- tenancy_owner is the owner already, taking back would take the owner's own rights.
CREATE PROCEDURE tenancy_private.grant_to_owner(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- They run with the rights of whoever writes.
    triggers CONSTANT text := (
        SELECT string_agg(format('%s (%s)', t.tgname, p.oid::regprocedure), ', ' ORDER BY t.tgname)
        FROM pg_trigger AS t
        INNER JOIN pg_proc AS p ON t.tgfoid = p.oid
        INNER JOIN pg_namespace AS n ON p.pronamespace = n.oid
        WHERE t.tgrelid = table_name
            AND NOT t.tgisinternal
            AND NOT p.prosecdef
            AND n.nspname NOT IN ('pg_catalog', 'tenancy', 'tenancy_private')
    );
BEGIN
    IF triggers IS NOT NULL THEN
        RAISE WARNING 'where functions of pg-tenancy write %, its triggers run as tenancy_writer: %', table_name, triggers
        USING HINT = 'GRANT tenancy_writer what they do in other tables, or make the functions SECURITY DEFINER.';
    END IF;
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO tenancy_writer', table_name);
    IF (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = table_name) <> 'tenancy_owner' THEN
        EXECUTE format('GRANT SELECT, UPDATE, REFERENCES ON %s TO tenancy_owner', table_name);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.grant_to_owner(regclass) FROM public;

CREATE PROCEDURE tenancy_private.revoke_from_owner(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('REVOKE SELECT, INSERT, UPDATE, DELETE ON %s FROM tenancy_writer', table_name);
    IF (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = table_name) <> 'tenancy_owner' THEN
        EXECUTE format('REVOKE SELECT, UPDATE, REFERENCES ON %s FROM tenancy_owner', table_name);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.revoke_from_owner(regclass) FROM public;

-- Whoever owns a function may alter it, and a trigger of the application runs as
-- tenancy_writer: one that made this SECURITY INVOKER would find itself running as
-- tenancy_owner at the next call, so each function of tenancy_writer asks first.
CREATE FUNCTION tenancy_private.insert_row(
    table_name regclass, new_values jsonb, skip_conflicts boolean DEFAULT false
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
-- The application's triggers may name its tables without their schema.
SET search_path = pg_catalog, public, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    columns CONSTANT text := (
        SELECT string_agg(quote_ident(k.name), ', ' ORDER BY k.name) FROM jsonb_object_keys(new_values) AS k (name)
    );
    inserted bigint;
BEGIN
    IF current_user <> 'tenancy_writer' THEN
        RAISE EXCEPTION 'insert_row() runs as %, wanted tenancy_writer', current_user USING ERRCODE = '42501';
    END IF;
    EXECUTE format(
        'INSERT INTO %1$s (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1)%3$s', table_name, columns,
        CASE WHEN skip_conflicts THEN ' ON CONFLICT DO NOTHING' END
    ) USING new_values;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    RETURN inserted > 0;
END;
$$;

-- The rows whose columns have the values of the key.
CREATE FUNCTION tenancy_private.update_rows(table_name regclass, key jsonb, new_values jsonb)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    changes CONSTANT text := (
        SELECT string_agg(format('%1$I = v.%1$I', k.name), ', ' ORDER BY k.name) FROM jsonb_object_keys(new_values) AS k (name)
    );
    matches CONSTANT text := (
        SELECT string_agg(format('t.%1$I = k.%1$I', k.name), ' AND ' ORDER BY k.name) FROM jsonb_object_keys(key) AS k (name)
    );
    updated bigint;
BEGIN
    IF current_user <> 'tenancy_writer' THEN
        RAISE EXCEPTION 'update_rows() runs as %, wanted tenancy_writer', current_user USING ERRCODE = '42501';
    END IF;
    EXECUTE format(
        'UPDATE %1$s AS t SET %2$s FROM jsonb_populate_record(NULL::%1$s, $1) AS k, '
        'jsonb_populate_record(NULL::%1$s, $2) AS v WHERE %3$s', table_name, changes, matches
    ) USING key, new_values;
    GET DIAGNOSTICS updated = ROW_COUNT;
    RETURN updated;
END;
$$;

CREATE FUNCTION tenancy_private.delete_rows(table_name regclass, key jsonb) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    matches CONSTANT text := (
        SELECT string_agg(format('t.%1$I = k.%1$I', k.name), ' AND ' ORDER BY k.name) FROM jsonb_object_keys(key) AS k (name)
    );
    deleted bigint;
BEGIN
    IF current_user <> 'tenancy_writer' THEN
        RAISE EXCEPTION 'delete_rows() runs as %, wanted tenancy_writer', current_user USING ERRCODE = '42501';
    END IF;
    EXECUTE format(
        'DELETE FROM %1$s AS t USING jsonb_populate_record(NULL::%1$s, $1) AS k WHERE %2$s', table_name, matches
    ) USING key;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END;
$$;

-- As the one who deploys, who may grant what the tables' owners may.
RESET ROLE;

CREATE PROCEDURE tenancy_private.give_to_writer(routine regprocedure)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tenancy_owner', routine);
    -- A function's new owner needs CREATE on its schema, for that instant.
    GRANT CREATE ON SCHEMA tenancy_private TO tenancy_writer;
    EXECUTE format('ALTER FUNCTION %s OWNER TO tenancy_writer', routine);
    REVOKE CREATE ON SCHEMA tenancy_private FROM tenancy_writer;
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tenancy_owner', routine);
END;
$$;
ALTER PROCEDURE tenancy_private.give_to_writer(regprocedure) OWNER TO tenancy_owner;
REVOKE ALL ON ROUTINE tenancy_private.give_to_writer(regprocedure) FROM public;
COMMENT ON PROCEDURE tenancy_private.give_to_writer (regprocedure) IS
'Makes tenancy_writer the owner of a function that writes tables of the application; tenancy_owner alone calls it.';

CALL tenancy_private.give_to_writer('tenancy_private.insert_row(regclass, jsonb, boolean)');
CALL tenancy_private.give_to_writer('tenancy_private.update_rows(regclass, jsonb, jsonb)');
CALL tenancy_private.give_to_writer('tenancy_private.delete_rows(regclass, jsonb)');

-- Defaults of columns call functions in there.
GRANT USAGE ON SCHEMA tenancy TO tenancy_writer;

CALL tenancy_private.grant_to_owner('public.users');
CALL tenancy_private.grant_to_owner('public.organizations');
CALL tenancy_private.grant_to_owner('public.organization_memberships');

\ir ../../notes/done.psql
COMMIT;
