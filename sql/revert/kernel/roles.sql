-- Revert pg-tenancy:kernel/roles from pg

\set change kernel/roles
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- This also drops the record of this change.
DROP TABLE tenancy_private.changes;
DROP SCHEMA tenancy_private;

-- A role stays if anything in this or another database still depends on it. Logins that were
-- granted a role lose the membership with the role.
DO $$
DECLARE
    role_name name;
    reason text;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'tenancy_owner') THEN
        ALTER DEFAULT PRIVILEGES FOR ROLE tenancy_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
    END IF;
    FOREACH role_name IN ARRAY ARRAY[
        'tenancy_auditor', 'tenancy_service', 'tenancy_legacy', 'tenancy_app', 'tenancy_credentialed',
        'tenancy_writer', 'tenancy_owner'
    ]::name[] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name);
        EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM %I', current_database(), role_name);
        -- DROP ROLE locks the role before it checks dependencies, and every CREATE POLICY and
        -- GRANT that names the role, in any database, would wait for that. So dependencies are
        -- checked first: a role in use is not locked at all.
        SELECT string_agg(place, ', ' ORDER BY place) INTO reason
        FROM (
            SELECT DISTINCT coalesce('database ' || d.datname, 'something that all databases share') AS place
            FROM pg_catalog.pg_shdepend AS s
            LEFT JOIN pg_catalog.pg_database AS d
                ON d.oid = CASE WHEN s.classid = 'pg_catalog.pg_database'::regclass THEN s.objid ELSE s.dbid END
            WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass
                AND s.classid <> 'pg_catalog.pg_parameter_acl'::regclass
                AND s.refobjid = to_regrole(quote_ident(role_name))
        ) AS needed;
        IF reason IS NOT NULL THEN
            RAISE NOTICE 'role % stays, because it is still needed: %', role_name, reason;
            CONTINUE;
        END IF;
        BEGIN
            IF has_parameter_privilege(role_name, 'backtrace_functions', 'SET') THEN
                EXECUTE format('REVOKE SET ON PARAMETER backtrace_functions FROM %I', role_name);
            END IF;
            EXECUTE format('DROP ROLE %I', role_name);
        EXCEPTION
            WHEN undefined_object THEN
                RAISE NOTICE 'another session has just dropped role %', role_name;
            WHEN dependent_objects_still_exist OR lock_not_available THEN
                RAISE NOTICE 'role % stays, because it has just come into use: %', role_name, sqlerrm;
            WHEN internal_error THEN
                -- "cache lookup failed for database": one of the databases that need the role
                -- was dropped while the server was listing them. The next revert in another
                -- database drops the role.
                RAISE NOTICE 'role % stays, because a database that needed it is being dropped: %', role_name, sqlerrm;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % stays, because % may not drop it', role_name, current_user;
        END;
    END LOOP;
END; $$;

COMMIT;
