-- Verify pg-tenancy:kernel/hardening on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.harden_database()'
]);

DO $$
DECLARE
    taken record;
    executable text;
BEGIN
    FOR taken IN
        SELECT r.object
        FROM tenancy_private.revoked_from_public AS r
        WHERE r.object_kind = 'FUNCTION'
    LOOP
        IF EXISTS (
            SELECT FROM pg_catalog.pg_proc AS p
            CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
            WHERE p.oid = taken.object::regprocedure AND acl.grantee = 0
        ) THEN
            executable := concat_ws(', ', executable, taken.object);
        END IF;
    END LOOP;
    IF executable IS NOT NULL THEN
        RAISE EXCEPTION 'PUBLIC may execute again: %', executable
        USING HINT = 'CALL tenancy.harden_database();';
    END IF;
    IF has_database_privilege('tenancy_app', current_database(), 'TEMPORARY') THEN
        RAISE WARNING 'PUBLIC may make temporary objects in this database'
        USING HINT = 'After a restore or a copy: CALL tenancy.harden_database();';
    END IF;
END;
$$;

ROLLBACK;
