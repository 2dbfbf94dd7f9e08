-- Revert pg-tenancy:platform/offerings_policies from pg

\set change platform/offerings_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise(
    'public.organization_models', 'public.organization_model_shares', 'tenancy.offering_prices',
    'tenancy.access_requests', 'tenancy.entitlements', 'tenancy.catalog_preferences',
    'tenancy.usage_authorizations', 'tenancy.offering_usage'
);

CALL tenancy.unprotect('public.organization_models');
CALL tenancy.unprotect('public.organization_model_shares');
CALL tenancy.unprotect('tenancy.offering_prices');
CALL tenancy.unprotect('tenancy.access_requests');
CALL tenancy.unprotect('tenancy.entitlements');
CALL tenancy.unprotect('tenancy.catalog_preferences');
CALL tenancy.unprotect('tenancy.usage_authorizations');
CALL tenancy.unprotect('tenancy.offering_usage');
CALL tenancy_private.drop_legacy_logins(
    ARRAY['public.organization_models', 'public.organization_model_shares']::regclass[]
);

\ir ../../notes/done.psql
COMMIT;
