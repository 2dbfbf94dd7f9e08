-- Access to offerings and their usage, revision 1.
--
-- An organization sees its offerings, shares and prices, and the requests that it received.
-- Offerings of others are shown by functions, with two indexed queries: community_catalog(),
-- resolve_offering(), shared_offerings(), access_requests(). Calls belong to the payer. Written
-- by functions, and the platform's own tables also by services.
CALL tenancy.protect('public.organization_models', key => 'organization_id');
CALL tenancy.allow('public.organization_models', 'SELECT', 'offerings.view', -- noqa: PRS
    "for" => 'organization', columns =>
    'id, organization_id, model_id, name, code, description, is_active, visibility, access_policy, '
    'trial_days, trial_tokens');
CALL tenancy.protect('public.organization_model_shares', key => 'provider_organization_id');
CALL tenancy.allow('public.organization_model_shares', 'SELECT', 'offerings.view', -- noqa: PRS
    "for" => 'organization', columns =>
    'id, provider_organization_id, consumer_organization_id, organization_model_id, status, pricing, '
    'starts_at, ends_at');
CALL tenancy.protect('tenancy.offering_prices', key => 'organization_id');
CALL tenancy.allow('tenancy.offering_prices', 'SELECT', 'offerings.view', -- noqa: PRS
    "for" => 'organization', columns =>
    'organization_id, offering_id, valid_from, number, eur_per_1k, created_at, user_id');
GRANT SELECT ON tenancy.offering_prices TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.offering_prices');
CALL tenancy.protect('tenancy.access_requests', key => 'organization_id');
CALL tenancy.allow('tenancy.access_requests', 'SELECT', 'offerings.view', -- noqa: PRS
    "for" => 'organization', columns =>
    'organization_id, id, offering_id, consumer_id, message, created_at, status, decided_at, '
    'decided_by_user_id, reason');
GRANT SELECT ON tenancy.access_requests TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.access_requests');
CALL tenancy.protect('tenancy.entitlements', key => 'organization_id');
CALL tenancy.allow('tenancy.entitlements', 'SELECT', 'offerings.view', -- noqa: PRS
    "for" => 'organization', columns =>
    'organization_id, id, offering_id, consumer_id, kind, request_id, starts_at, ends_at, '
    'quota_tokens, used_tokens, eur_per_1k, created_at, revoked_at');
GRANT SELECT ON tenancy.entitlements TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.entitlements');
CALL tenancy.protect('tenancy.catalog_preferences');
CALL tenancy.allow('tenancy.catalog_preferences', 'SELECT', 'offerings.view', columns =>
    'workspace_id, shows_public, shows_paid, shows_contracts');
GRANT SELECT ON tenancy.catalog_preferences TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.catalog_preferences');
CALL tenancy.protect('tenancy.usage_authorizations');
CALL tenancy.allow('tenancy.usage_authorizations', 'SELECT', 'finops.view', columns =>
    'workspace_id, id, offering_id, access, eur_per_1k, max_tokens, created_at, expires_at');
GRANT SELECT ON tenancy.usage_authorizations TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.usage_authorizations');
CALL tenancy.protect('tenancy.offering_usage');
CALL tenancy.allow('tenancy.offering_usage', 'SELECT', 'finops.view', columns =>
    'workspace_id, request_id, id, offering_id, access, user_id, api_key_id, input_tokens, '
    'output_tokens, eur_per_1k, amount, unpaid, occurred_at, created_at, reversed_at');
GRANT SELECT ON tenancy.offering_usage TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.offering_usage');
