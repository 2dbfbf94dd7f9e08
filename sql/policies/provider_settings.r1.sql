-- Access to public.provider_settings, revision 1.
--
-- For services and functions alone: some values are secrets. tenancy.settings() shows
-- what a workspace may see.
CALL tenancy.protect('public.provider_settings', key => 'organization_id');
REVOKE ALL ON public.provider_settings FROM tenancy_credentialed, tenancy_auditor;
CALL tenancy_private.record_contract('public.provider_settings');
