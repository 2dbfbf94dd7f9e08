-- Revert pg-tenancy:legacy_logins from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

-- Only where it was granted by the deploy and has not been revoked since.
DO $$
DECLARE
    holder name;
BEGIN
    FOR holder IN
        SELECT r.rolname
        FROM tenancy_private.legacy_logins AS l
        INNER JOIN pg_roles AS r ON l.role = r.rolname
        INNER JOIN pg_auth_members AS m ON m.member = r.oid
        WHERE m.roleid = 'tenancy_service'::regrole
    LOOP
        EXECUTE format('REVOKE tenancy_service FROM %I', holder);
    END LOOP;
END;
$$;

DROP TABLE tenancy_private.legacy_logins;

COMMIT;
