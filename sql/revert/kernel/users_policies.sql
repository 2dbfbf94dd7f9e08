-- Revert pg-tenancy:kernel/users_policies from pg

BEGIN;

CALL tenancy_private.revise('public.users');

\ir ../../policies/users.r1.sql

COMMIT;
