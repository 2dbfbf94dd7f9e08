-- Revert pg-tenancy:kernel/membership_roles from pg

\set change kernel/membership_roles
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

ALTER TABLE public.organization_memberships
DROP CONSTRAINT organization_memberships_tenancy_role_check;

\ir ../../notes/done.psql
COMMIT;
