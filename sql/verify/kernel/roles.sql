-- Verify pg-tenancy:kernel/roles on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    role_name name;
    wrong text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'tenancy_owner', 'tenancy_writer', 'tenancy_app',
        'tenancy_credentialed', 'tenancy_service', 'tenancy_legacy', 'tenancy_auditor'
    ]::name[] LOOP
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
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the role % is missing', role_name;
        END IF;
        IF wrong <> '' THEN
            RAISE EXCEPTION 'the role % must be a plain group, and is: %', role_name, wrong;
        END IF;
    END LOOP;

    IF NOT pg_has_role('tenancy_app', 'tenancy_credentialed', 'USAGE') THEN
        RAISE EXCEPTION 'tenancy_app lacks the rights of tenancy_credentialed'
        USING HINT = 'ALTER ROLE tenancy_app INHERIT; GRANT tenancy_credentialed TO tenancy_app;';
    END IF;

    -- Any role that may set this parameter can forge a context.
    SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) INTO wrong
    FROM pg_catalog.pg_roles AS r
    WHERE NOT r.rolsuper
        AND pg_has_role(r.oid, 'tenancy_credentialed', 'MEMBER')
        AND EXISTS (
            SELECT FROM pg_catalog.pg_parameter_acl AS p
            CROSS JOIN LATERAL aclexplode(p.paracl) AS a
            WHERE p.parname = 'backtrace_functions'
                AND CASE a.grantee WHEN 0 THEN true ELSE pg_has_role(r.oid, a.grantee, 'MEMBER') END
        );
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the parameter backtrace_functions, which carries the context, can be set by %', wrong
        USING HINT = 'REVOKE ALL ON PARAMETER backtrace_functions FROM whoever has it but tenancy_owner; '
            'SELECT parname, paracl FROM pg_parameter_acl tells who.';
    END IF;

    -- An entry that gives PUBLIC nothing replaces the built-in default.
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_default_acl AS d
        WHERE d.defaclrole = 'tenancy_owner'::regrole
            AND d.defaclnamespace = 0
            AND d.defaclobjtype = 'f'
            AND NOT EXISTS (SELECT FROM aclexplode(d.defaclacl) AS a WHERE a.grantee = 0)
    ) THEN
        RAISE EXCEPTION 'functions that tenancy_owner makes can be executed by PUBLIC';
    END IF;
END; $$;

ROLLBACK;

\set change kernel/roles
\ir ../../notes/verify.psql
