-- Deploy pg-tenancy:platform/instances_policies to pg
-- requires: platform/instances_functions
-- requires: kernel/audit_log

BEGIN;

CALL tenancy_private.revise('public.instances', 'tenancy.instance_transitions');

\ir ../../policies/instances.r1.sql

COMMIT;
