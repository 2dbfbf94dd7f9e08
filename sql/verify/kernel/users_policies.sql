-- Verify pg-tenancy:kernel/users_policies on pg

BEGIN;

CALL tenancy_private.verify_protected('public.users');

ROLLBACK;
