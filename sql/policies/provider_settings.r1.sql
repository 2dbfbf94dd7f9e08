-- Access to public.provider_settings, revision 1.
--
-- The names of the settings that an organization has, for the roles that hold settings.view,
-- and no values: some are secrets. No ids either, whose indexes do not contain the
-- organization. tenancy.settings() has the effective values. Written by functions and services.
CALL tenancy.protect('public.provider_settings', key => 'organization_id');
CALL tenancy.allow('public.provider_settings', 'SELECT', 'settings.view', columns => 'key');
