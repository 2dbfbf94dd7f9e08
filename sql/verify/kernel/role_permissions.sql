-- Verify pg-tenancy:kernel/role_permissions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM tenancy.role_permissions) OR NOT EXISTS (SELECT FROM tenancy.role_delegations) THEN
        RAISE EXCEPTION 'the permission matrix is empty';
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.oid IN ('tenancy.role_permissions'::regclass, 'tenancy.role_delegations'::regclass)
            AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    ) THEN
        RAISE EXCEPTION 'row-level security of the permission matrix is not enabled and forced';
    END IF;
END;
$$;

ROLLBACK;
