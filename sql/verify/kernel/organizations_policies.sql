-- Verify pg-tenancy:kernel/organizations_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('public.organizations');

ROLLBACK;
