-- Verify pg-tenancy:platform/permissions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM tenancy.permissions AS p WHERE p.permission = 'instances.view') THEN
        RAISE EXCEPTION 'the permissions of the platform are missing';
    END IF;
END;
$$;

ROLLBACK;
