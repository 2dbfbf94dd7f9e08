-- Deploy pg-tenancy:kernel/hardening to pg
-- requires: kernel/legacy_logins

\set change kernel/hardening
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Every PostgreSQL database lets everybody do things that a tenant must not: create temporary
-- objects and objects in the schema public; see other sessions' statements and stop other
-- sessions; export a snapshot, in which a membership stays alive; use large objects, which have
-- one owner for all tenants; read the statistics functions, which count rows that row-level
-- security hid; read the locks, which under SERIALIZABLE reveal what a function has read; and
-- call currtid2(), which finds the newest version of a hidden row. Privileges revoked from
-- PUBLIC are granted to tenancy_service and tenancy_legacy, so that the old application keeps
-- working, and those on statistics and locks to the monitoring roles. Each is recorded for the
-- way back.
CREATE TABLE tenancy_private.revoked_from_public (
    object_kind text NOT NULL,
    object      text NOT NULL,
    privilege   text NOT NULL,
    CONSTRAINT revoked_from_public_pkey PRIMARY KEY (object_kind, object, privilege)
);
CALL tenancy_private.close_own_table('tenancy_private.revoked_from_public');
COMMENT ON TABLE tenancy_private.revoked_from_public IS
'The privileges that this change revoked from PUBLIC, so that a revert restores exactly these.';

-- A restored or copied database lacks the grants on the database itself, so this can be called
-- again: CALL tenancy.harden_database().
CREATE PROCEDURE tenancy.harden_database()
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record;
    kept integer := 0;
BEGIN
    FOR target IN
        SELECT 'DATABASE' AS kind, quote_ident(d.datname) AS object, 'TEMPORARY' AS privilege,
            pg_has_role(d.datdba, 'USAGE') AS allowed, false AS monitoring
        FROM pg_database AS d
        CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS acl
        WHERE d.datname = current_database() AND acl.grantee = 0 AND acl.privilege_type = 'TEMPORARY'
        UNION ALL
        SELECT 'SCHEMA', quote_ident(n.nspname), 'CREATE', pg_has_role(n.nspowner, 'USAGE'), false
        FROM pg_namespace AS n
        CROSS JOIN LATERAL aclexplode(n.nspacl) AS acl
        WHERE n.nspname NOT LIKE 'pg\_%' AND acl.grantee = 0 AND acl.privilege_type = 'CREATE'
        UNION ALL
        SELECT 'FUNCTION', p.oid::regprocedure::text, 'EXECUTE', pg_has_role(p.proowner, 'USAGE'),
            p.proname LIKE 'pg\_stat\_get\_%' OR p.proname = 'pg_lock_status'
        FROM pg_proc AS p
        CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
            AND acl.grantee = 0
            AND (
                p.proname LIKE 'pg\_stat\_get\_%'
                OR p.proname LIKE 'lo\_%'
                OR p.proname IN (
                    'loread', 'lowrite', 'pg_cancel_backend', 'pg_terminate_backend', 'pg_export_snapshot',
                    'pg_lock_status', 'currtid2'
                )
            )
    LOOP
        IF NOT target.allowed THEN
            kept := kept + 1;
            CONTINUE;
        END IF;
        EXECUTE format('REVOKE %s ON %s %s FROM PUBLIC', target.privilege, target.kind, target.object);
        EXECUTE format(
            'GRANT %s ON %s %s TO tenancy_service, tenancy_legacy', target.privilege, target.kind, target.object
        );
        IF target.monitoring THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pg_read_all_stats, tenancy_owner', target.object);
        END IF;
        INSERT INTO tenancy_private.revoked_from_public (object_kind, object, privilege)
        VALUES (target.kind, CASE target.kind WHEN 'DATABASE' THEN '' ELSE target.object END, target.privilege)
        ON CONFLICT DO NOTHING;
    END LOOP;
    IF kept > 0 THEN
        RAISE WARNING 'PUBLIC keeps % privileges that only a superuser can revoke', kept
        USING HINT = 'As a superuser: CALL tenancy.harden_database().';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy.harden_database() FROM public;
COMMENT ON PROCEDURE tenancy.harden_database () IS
'Revokes from PUBLIC what would let one tenant observe or disturb another. Run it again after a restore.';

RESET ROLE;

CALL tenancy.harden_database();

\ir ../../notes/done.psql
COMMIT;
