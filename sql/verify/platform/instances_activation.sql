-- Verify pg-tenancy:platform/instances_activation on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_activatable('public.instances', 'instance');

ROLLBACK;
