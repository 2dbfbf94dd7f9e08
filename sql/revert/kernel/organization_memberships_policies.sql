-- Revert pg-tenancy:kernel/organization_memberships_policies from pg

\set change kernel/organization_memberships_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.organization_memberships');

CALL tenancy.unprotect('public.organization_memberships');

\ir ../../notes/done.psql
COMMIT;
