-- Verify pg-tenancy:platform/offerings_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('public.organization_models');
CALL tenancy_private.verify_protected('public.organization_model_shares');
CALL tenancy_private.verify_protected('tenancy.offering_prices');
CALL tenancy_private.verify_protected('tenancy.access_requests');
CALL tenancy_private.verify_protected('tenancy.entitlements');
CALL tenancy_private.verify_protected('tenancy.catalog_preferences');
CALL tenancy_private.verify_protected('tenancy.usage_authorizations');
CALL tenancy_private.verify_protected('tenancy.offering_usage');

ROLLBACK;
