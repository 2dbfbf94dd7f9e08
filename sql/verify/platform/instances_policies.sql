-- Verify pg-tenancy:platform/instances_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('public.instances', 'tenancy.instance_transitions');

ROLLBACK;
