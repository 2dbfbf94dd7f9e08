-- Deploy pg-tenancy:kernel/users_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

BEGIN;

CALL tenancy_private.revise('public.users');

\ir ../../policies/users.r1.sql

COMMIT;
