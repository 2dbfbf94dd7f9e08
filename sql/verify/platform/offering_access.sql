-- Verify pg-tenancy:platform/offering_access on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.refuse_offering()',
    'tenancy_private.missing_activations(public.organization_models)',
    'tenancy_private.offering_price(uuid, uuid, timestamptz)',
    'tenancy_private.shared_price(jsonb)',
    'tenancy_private.offering_access(uuid, uuid, timestamptz)',
    'tenancy_private.refuse_offering_use(text, uuid)',
    'tenancy_private.offering_name(uuid, text)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.catalog_preferences()',
    'tenancy.set_catalog_preferences(boolean, boolean, boolean)',
    'tenancy.community_catalog(uuid, integer)',
    'tenancy.shared_offerings()',
    'tenancy.resolve_offering(text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.shares_with(uuid, uuid, uuid)'
], pinned => false);

ROLLBACK;
