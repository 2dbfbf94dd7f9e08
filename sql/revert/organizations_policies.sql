-- Revert pg-tenancy:organizations_policies from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

CALL tenancy_private.reopen_table('public.organizations');

COMMIT;
