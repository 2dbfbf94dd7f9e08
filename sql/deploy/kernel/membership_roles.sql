-- Deploy pg-tenancy:kernel/membership_roles to pg
-- requires: kernel/foreign_keys
-- requires: kernel/adoption_steps

\set change kernel/membership_roles
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

DO $$
DECLARE
    unknown_roles CONSTANT bigint := (
        SELECT pg_catalog.count(*) FROM public.organization_memberships AS m
        WHERE m.role IS NULL OR m.role::text NOT IN ('owner', 'admin', 'manager', 'user')
    );
    ownerless CONSTANT bigint := (
        SELECT pg_catalog.count(*) FROM public.organizations AS o
        WHERE NOT EXISTS (
            SELECT FROM public.organization_memberships AS m WHERE m.organization_id = o.id AND m.role::text = 'owner'
        )
    );
BEGIN
    IF unknown_roles > 0 THEN
        RAISE EXCEPTION '% rows of public.organization_memberships have an unknown role', unknown_roles
        USING ERRCODE = '23514',
        CONSTRAINT = 'organization_memberships_role_check',
        DETAIL = 'SELECT * FROM public.organization_memberships WHERE role IS NULL '
        'OR role::text NOT IN (''owner'', ''admin'', ''manager'', ''user'');',
        HINT = 'The query in the detail finds them. Set one of the four roles, then deploy again.';
    END IF;
    IF ownerless > 0 THEN
        RAISE WARNING '% organizations have no owner', ownerless
        USING HINT = 'They keep working; make one of their members the owner: SELECT o.id FROM public.organizations '
        'AS o WHERE NOT EXISTS (SELECT FROM public.organization_memberships AS m WHERE m.organization_id = o.id '
        'AND m.role = ''owner'');';
    END IF;
END;
$$;

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- This applies to new rows. The next change checks existing rows, while others read and write.
ALTER TABLE public.organization_memberships
ADD CONSTRAINT organization_memberships_tenancy_role_check
CHECK (role IS NOT NULL AND role::text IN ('owner', 'admin', 'manager', 'user')) NOT VALID;

\ir ../../notes/done.psql
COMMIT;
