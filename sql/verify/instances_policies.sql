-- Verify pg-tenancy:instances_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('public.instances', ARRAY[
    'instances_workspace', 'instances_select', 'instances_insert', 'instances_update',
    'instances_service', 'instances_auditor'
]);
CALL tenancy_private.verify_policies('tenancy.instance_transitions', ARRAY[
    'instance_transitions_select', 'instance_transitions_service', 'instance_transitions_owner',
    'instance_transitions_auditor'
]);

DO $$
DECLARE
    written CONSTANT text :=
        'SELECT, INSERT(gpu_profile), INSERT(hourly_price_eur), INSERT(ip_address), INSERT(model_id), '
        'INSERT(provider_id), INSERT(status), INSERT(terminated_at), UPDATE(gpu_profile), UPDATE(ip_address), '
        'UPDATE(model_id), '
        'UPDATE(status)';
BEGIN
    CALL tenancy_private.verify_grants('public.instances', 'tenancy_credentialed', written);
    CALL tenancy_private.verify_grants('public.instances', 'tenancy_auditor', 'SELECT');
END;
$$;

ROLLBACK;
