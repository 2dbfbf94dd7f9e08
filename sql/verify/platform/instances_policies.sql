-- Verify pg-tenancy:platform/instances_policies on pg

BEGIN;

CALL tenancy_private.verify_protected('public.instances', 'tenancy.instance_transitions');

ROLLBACK;
