-- Revert pg-tenancy:kernel/organizations_policies from pg

BEGIN;

CALL tenancy_private.revise('public.organizations');

CALL tenancy.unprotect('public.organizations');

COMMIT;
