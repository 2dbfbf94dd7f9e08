-- Revert pg-tenancy:kernel/organization_slugs from pg

\set change kernel/organization_slugs
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organizations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER organizations_tenancy_slug_update ON public.organizations;
DROP TRIGGER organizations_tenancy_slug_insert ON public.organizations;
CALL tenancy_private.forget_triggers(
    'public.organizations',
    'organizations_tenancy_slug_update',
    'organizations_tenancy_slug_insert'
);
DROP FUNCTION tenancy_private.take_slug();
CALL tenancy_private.forget_contract('tenancy_private.organization_slugs');
DROP TABLE tenancy_private.organization_slugs;

\ir ../../notes/done.psql
COMMIT;
