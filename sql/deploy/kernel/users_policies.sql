-- Deploy pg-tenancy:kernel/users_policies to pg
-- requires: kernel/users_policies@phase-6
-- requires: kernel/users_functions

BEGIN;

CALL tenancy_private.revise('public.users');

\ir ../../policies/users.r2.sql

COMMIT;
