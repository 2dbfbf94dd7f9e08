-- Revert pg-tenancy:kernel/memberships from pg

\set change kernel/memberships
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER organization_memberships_tenancy_owner_truncate ON public.organization_memberships;
DROP TRIGGER organization_memberships_tenancy_owner_changed ON public.organization_memberships;
DROP TRIGGER organization_memberships_tenancy_owner ON public.organization_memberships;
CALL tenancy_private.forget_triggers(
    'public.organization_memberships',
    'organization_memberships_tenancy_owner_truncate',
    'organization_memberships_tenancy_owner_changed',
    'organization_memberships_tenancy_owner'
);
DROP FUNCTION tenancy_private.keep_an_owner_on_truncate();
DROP FUNCTION tenancy_private.keep_an_owner();

\ir ../../notes/done.psql
COMMIT;
