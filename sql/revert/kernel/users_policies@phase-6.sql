-- Revert pg-tenancy:kernel/users_policies from pg

BEGIN;

CALL tenancy_private.revise('public.users');

CALL tenancy.unprotect('public.users');

COMMIT;
