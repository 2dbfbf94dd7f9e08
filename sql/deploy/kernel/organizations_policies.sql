-- Deploy pg-tenancy:kernel/organizations_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

BEGIN;

CALL tenancy_private.revise('public.organizations');

\ir ../../policies/organizations.r1.sql

COMMIT;
