-- Access to public.instances and tenancy.instance_transitions, revision 1.
--
-- An organization's instances in the organization, one's own in the personal
-- workspace, legacy ones in the platform's. Instances are terminated, not deleted,
-- and what they cost is not for tenants to say.
CALL tenancy.protect('public.instances');
CALL tenancy.allow('public.instances', 'SELECT', 'instances.view', columns =>
    'id, organization_id, user_id, provider_id, model_id, status, ip_address, gpu_profile, '
    'created_at, terminated_at'
    || tenancy_private.optional_columns('public.instances', '{hourly_price_eur}'));
CALL tenancy.allow('public.instances', 'INSERT', 'instances.create', columns =>
    'id, provider_id, model_id, status, ip_address, gpu_profile');
CALL tenancy.allow('public.instances', 'UPDATE', 'instances.update', columns =>
    'model_id, status, ip_address, gpu_profile');

-- Which state allows what. Changes are a DBA's.
CALL tenancy.publish('tenancy.instance_transitions', columns => 'action, from_status, to_status');
