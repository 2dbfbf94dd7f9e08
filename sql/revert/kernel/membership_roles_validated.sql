-- Revert pg-tenancy:kernel/membership_roles_validated from pg

\set change kernel/membership_roles_validated
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- A constraint cannot become NOT VALID again, so it is recreated.
ALTER TABLE public.organization_memberships
DROP CONSTRAINT organization_memberships_tenancy_role_check,
ADD CONSTRAINT organization_memberships_tenancy_role_check
CHECK (role IS NOT NULL AND role IN ('owner', 'admin', 'manager', 'user')) NOT VALID;

\ir ../../notes/done.psql
COMMIT;
