-- Verify pg-tenancy:platform/instances_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY['instances_tenancy_status', 'workspaces_instances'];
    found CONSTANT text[] := ARRAY(
        SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgname = ANY(wanted) AND t.tgenabled = 'A'
        ORDER BY t.tgname::text
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'wanted the triggers % in every case, found %', wanted, found;
    END IF;
    IF NOT EXISTS (SELECT FROM tenancy.instance_transitions) THEN
        RAISE EXCEPTION 'tenancy.instance_transitions is empty: no state allows any action';
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.refuse_instance_state(text, text)',
    'tenancy_private.instance_permission(text)',
    'tenancy_private.transform_instance(uuid, text)',
    'tenancy_private.check_instance_status()'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.terminate_instance(uuid)',
    'tenancy.reinstall_instance(uuid)',
    'tenancy.archive_instance(uuid)',
    'tenancy.legacy_instances(uuid, integer)',
    'tenancy.require_instance_transition(text, text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

CALL tenancy_private.verify_writers(ARRAY[
    'tenancy_private.detach_usage(uuid[])', 'tenancy_private.empty_instances()'
]);

ROLLBACK;
