-- Deploy pg-tenancy:kernel/membership_roles_validated to pg
-- requires: kernel/membership_roles

\set change kernel/membership_roles_validated
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- This reads the table while others read and write.
ALTER TABLE public.organization_memberships
VALIDATE CONSTRAINT organization_memberships_tenancy_role_check;

\ir ../../notes/done.psql
COMMIT;
