-- Verify pg-tenancy:platform/offerings_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.own_offering(uuid, uuid)',
    'tenancy_private.check_offering(text, text, text, text, integer, bigint)',
    'tenancy_private.checked_price(numeric)',
    'tenancy_private.add_offering_price(uuid, uuid, numeric, timestamptz, uuid)',
    'tenancy_private.refuse_code()',
    'tenancy_private.check_period(timestamptz, timestamptz)',
    'tenancy_private.change_share(uuid, text, text[])',
    'tenancy_private.pending_request(uuid, uuid)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.publish_offering(uuid, text, text, text, text, numeric, text, integer, bigint)',
    'tenancy.update_offering(uuid, text, text, text, text, text, boolean, integer, bigint)',
    'tenancy.set_offering_price(uuid, numeric, timestamptz)',
    'tenancy.share_offering(uuid, uuid, jsonb, timestamptz, timestamptz)',
    'tenancy.pause_share(uuid)',
    'tenancy.resume_share(uuid)',
    'tenancy.revoke_share(uuid)',
    'tenancy.request_access(uuid, text)',
    'tenancy.access_requests(text)',
    'tenancy.approve_access(uuid, timestamptz, bigint, numeric, timestamptz)',
    'tenancy.deny_access(uuid, text)',
    'tenancy.revoke_entitlement(uuid)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
