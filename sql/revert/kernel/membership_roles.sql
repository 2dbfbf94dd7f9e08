-- Revert pg-tenancy:kernel/membership_roles from pg

\set change kernel/membership_roles
\ir ../../adoption/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_memberships']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

ALTER TABLE public.organization_memberships
DROP CONSTRAINT organization_memberships_tenancy_role_check;

\ir ../../adoption/note_done.psql
COMMIT;
