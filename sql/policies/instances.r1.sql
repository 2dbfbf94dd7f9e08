-- Access to public.instances and tenancy.instance_transitions, revision 1.
--
-- An organization's instances in the organization, one's own in the personal workspace, legacy
-- ones in the platform's. Instances are terminated, not deleted, and tenants do not set their
-- prices.
CALL tenancy.protect('public.instances');
CALL tenancy.allow('public.instances', 'SELECT', 'instances.view', columns =>
    'id, organization_id, user_id, provider_id, model_id, status, ip_address, gpu_profile, '
    'created_at, terminated_at'
    || tenancy_private.optional_columns('public.instances', '{hourly_price_eur}'));
CALL tenancy.allow('public.instances', 'INSERT', 'instances.create', columns =>
    'id, provider_id, model_id, status, ip_address, gpu_profile');
CALL tenancy.allow('public.instances', 'UPDATE', 'instances.update', columns =>
    'model_id, status, ip_address, gpu_profile');

-- The actions that each state allows. Only DBAs change them.
CALL tenancy.publish('tenancy.instance_transitions', columns => 'action, from_status, to_status');
