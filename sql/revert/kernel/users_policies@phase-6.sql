-- Revert pg-tenancy:kernel/users_policies from pg

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.users']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy.unprotect('public.users');

COMMIT;
