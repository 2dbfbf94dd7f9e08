-- Revert pg-tenancy:kernel/hardening from pg

\set change kernel/hardening
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DO $$
DECLARE
    taken record;
    object text;
BEGIN
    FOR taken IN SELECT r.* FROM tenancy_private.revoked_from_public AS r
    LOOP
        object := CASE taken.object_kind WHEN 'DATABASE' THEN quote_ident(current_database()) ELSE taken.object END;
        EXECUTE format('REVOKE %s ON %s %s FROM tenancy_service, tenancy_legacy', taken.privilege, taken.object_kind, object);
        IF taken.object_kind = 'FUNCTION'
            AND (taken.object LIKE 'pg\_stat\_get\_%' OR taken.object LIKE 'pg\_lock\_status(%')
        THEN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM pg_read_all_stats, tenancy_owner', object);
        END IF;
        EXECUTE format('GRANT %s ON %s %s TO PUBLIC', taken.privilege, taken.object_kind, object);
    END LOOP;
END;
$$;

DROP PROCEDURE tenancy.harden_database();
CALL tenancy_private.forget_contract('tenancy_private.revoked_from_public');
DROP TABLE tenancy_private.revoked_from_public;

\ir ../../notes/done.psql
COMMIT;
