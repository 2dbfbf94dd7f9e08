-- Verify pg-tenancy:kernel/membership_roles on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = 'public.organization_memberships'::regclass
            AND c.conname = 'organization_memberships_tenancy_role_check'
    ) THEN
        RAISE EXCEPTION 'the roles in public.organization_memberships are not checked';
    END IF;
END;
$$;

ROLLBACK;
