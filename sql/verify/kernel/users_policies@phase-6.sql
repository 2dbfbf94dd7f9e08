-- Verify pg-tenancy:kernel/users_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('public.users');

ROLLBACK;
