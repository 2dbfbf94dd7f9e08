-- Verify pg-tenancy:kernel/organizations_policies on pg

BEGIN;

CALL tenancy_private.verify_protected('public.organizations');

ROLLBACK;
