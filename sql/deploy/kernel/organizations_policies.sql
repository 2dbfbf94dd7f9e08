-- Deploy pg-tenancy:kernel/organizations_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organizations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/organizations.r1.sql

COMMIT;
