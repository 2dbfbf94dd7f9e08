-- Deploy pg-tenancy:kernel/roles to pg
-- requires: kernel/existing_tables

\set change kernel/roles
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- Roles belong to the whole cluster: another database may have created them, or be creating
-- them right now. A role with such a name that can log in or bypass policies is not
-- pg-tenancy's, and is refused.
DO $$
DECLARE
    wanted CONSTANT jsonb := jsonb_build_object(
        'tenancy_owner', 'Owns the tenancy schemas and their functions; nobody logs in as it.',
        'tenancy_writer', 'Owns the functions that write tables of the application, and may do nothing else.',
        'tenancy_app', 'Applications: rows of the workspace they entered by naming user and organization.',
        'tenancy_credentialed', 'Applications that may enter a workspace only with a credential.',
        'tenancy_service', 'Workers, billing and the application before its migration: all workspaces.',
        'tenancy_legacy', 'Logins that may use some of the tables: policies allow them what their own grants do.',
        'tenancy_auditor', 'Support and compliance: all workspaces, read only.'
    );
    role_name name;
    purpose text;
    wrong text;
BEGIN
    FOR role_name, purpose IN SELECT key, value FROM jsonb_each_text(wanted) LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
                EXECUTE format('COMMENT ON ROLE %I IS %L', role_name, purpose);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    RAISE NOTICE 'another session has just created role %', role_name;
            END;
        END IF;
        SELECT concat_ws(', ',
            CASE WHEN r.rolcanlogin THEN 'LOGIN' END,
            CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
            CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
            CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
            CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
            CASE WHEN r.rolreplication THEN 'REPLICATION' END,
            (SELECT 'member of ' || string_agg(m.roleid::regrole::text, ', ')
            FROM pg_catalog.pg_auth_members AS m
            WHERE m.member = r.oid
                AND NOT (r.rolname = 'tenancy_app' AND m.roleid = to_regrole('tenancy_credentialed')))
        ) INTO wrong
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = role_name;
        IF wrong <> '' THEN
            RAISE EXCEPTION 'the role % exists and is not a plain group: %', role_name, wrong
                USING ERRCODE = '55000',
                      CONSTRAINT = 'roles',
                      HINT = 'Take these attributes and memberships from the role, or rename it; '
                          'then deploy again.';
        END IF;
    END LOOP;
END; $$;

-- Policies and grants name only tenancy_credentialed. tenancy_app is a member that may also
-- enter by naming a user; a member without INHERIT would have no access.
SELECT format(
    'ALTER ROLE tenancy_app INHERIT; GRANT tenancy_credentialed TO tenancy_app %s',
    CASE
        WHEN current_setting('server_version_num')::integer >= 160000
            THEN 'WITH INHERIT TRUE, SET FALSE'
    END
)
WHERE NOT pg_has_role('tenancy_app', 'tenancy_credentialed', 'USAGE')
\gexec

-- A superuser may do all this anyway. Any other deployer must be able to act as the owner, and
-- to see the rows that policies will hide. A login that has become a superuser by SET ROLE, for
-- instance through ALTER ROLE ... SET role, sees them, but the roles that it may set are those
-- of the login itself.
DO $$
DECLARE
    is_superuser CONSTANT boolean := (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user);
    login_is_superuser CONSTANT boolean := (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user);
    deployer CONSTANT name := CASE WHEN is_superuser THEN session_user ELSE current_user END;
    options CONSTANT text := CASE
        WHEN current_setting('server_version_num')::integer < 160000 THEN ''
        WHEN is_superuser THEN ' WITH INHERIT FALSE, SET TRUE'
        ELSE ' WITH INHERIT TRUE, SET TRUE'
    END;
    role_name name;
BEGIN
    IF is_superuser AND login_is_superuser THEN
        RETURN;
    END IF;
    FOREACH role_name IN ARRAY ARRAY['tenancy_owner', 'tenancy_writer', 'tenancy_service', 'tenancy_legacy']::name[] LOOP
        IF NOT (is_superuser OR pg_has_role(deployer, role_name, 'USAGE'))
            OR NOT pg_has_role(deployer, role_name,
                CASE WHEN options = '' THEN 'MEMBER' ELSE 'SET' END)
        THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', role_name, deployer) || options;
            EXCEPTION
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION '% may not become a member of the role %', deployer, role_name
                        USING ERRCODE = '42501',
                              CONSTRAINT = 'deployer_rights',
                              HINT = format('As a superuser: GRANT %I TO %I WITH ADMIN OPTION;',
                                  role_name, deployer);
            END;
        END IF;
    END LOOP;
END; $$;

-- A context in a parameter that no application can set needs no seal, which saves two thirds of
-- the cost of verification. This parameter names C functions to trace, and no function has a
-- name like a context. If the deployer may not grant it, as on many hosted servers, the seal is
-- used.
DO $$
BEGIN
    IF NOT has_parameter_privilege('tenancy_owner', 'backtrace_functions', 'SET') THEN
        GRANT SET ON PARAMETER backtrace_functions TO tenancy_owner;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'contexts are sealed, which costs each query some microseconds more'
            USING HINT = 'As a superuser, now or later: GRANT SET ON PARAMETER backtrace_functions TO tenancy_owner;';
    WHEN internal_error OR unique_violation THEN
        RAISE NOTICE 'another session has just granted the privilege on backtrace_functions';
END; $$;

-- Each database that uses the roles records that in its own privileges. The
-- revert of another database finds it there, and leaves the roles alone.
SELECT format(
    'GRANT CONNECT ON DATABASE %I TO %s',
    current_database(),
    'tenancy_owner, tenancy_writer, tenancy_app, tenancy_credentialed, tenancy_service, '
    'tenancy_legacy, tenancy_auditor'
)
\gexec

-- New functions are closed. Only this global form has an effect: with IN SCHEMA, PUBLIC keeps
-- its default privilege.
ALTER DEFAULT PRIVILEGES FOR ROLE tenancy_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Keys and internals. Only the owner has USAGE, so even a mistaken grant on an object in this
-- schema opens nothing.
CREATE SCHEMA tenancy_private AUTHORIZATION tenancy_owner;
COMMENT ON SCHEMA tenancy_private IS 'Keys and internals of pg-tenancy, closed to the roles of applications.';

SET LOCAL ROLE tenancy_owner;

-- Each script records itself here in its own transaction, see notes/begin_deploy.psql.
CREATE TABLE tenancy_private.changes (
    change   text        NOT NULL,
    state    text        NOT NULL,
    progress jsonb       NOT NULL DEFAULT '{}',
    made     text[]      NOT NULL DEFAULT '{}',
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT changes_pkey PRIMARY KEY (change),
    CONSTRAINT changes_state_check CHECK (state IN ('deploying', 'done', 'reverting'))
);
ALTER TABLE tenancy_private.changes ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE tenancy_private.changes IS
'The changes in this database, as recorded by their own scripts; sqitch records them a moment later.';
COMMENT ON COLUMN tenancy_private.changes.change IS
'The name; followed by @2 for the second change of that name in the plan.';
COMMENT ON COLUMN tenancy_private.changes.made IS 'The tables and routines of pg-tenancy that it created.';
COMMENT ON COLUMN tenancy_private.changes.progress IS 'The progress of batches, by their task.';

\ir ../../notes/done.psql
COMMIT;
