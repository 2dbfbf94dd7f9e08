-- Deploy pg-tenancy:kernel/organization_memberships_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

BEGIN;

CALL tenancy_private.revise('public.organization_memberships');

\ir ../../policies/organization_memberships.r1.sql

COMMIT;
