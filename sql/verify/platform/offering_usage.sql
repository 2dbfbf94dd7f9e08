-- Verify pg-tenancy:platform/offering_usage on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.calling_user()',
    'tenancy_private.require_consumer(uuid)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.authorize_usage(uuid, bigint, interval)',
    'tenancy.release_usage(uuid)',
    'tenancy.record_usage(text, uuid, bigint, bigint, timestamptz, uuid)',
    'tenancy.record_usages(tenancy.usage_request[])',
    'tenancy.reverse_usage(uuid)',
    'tenancy.offering_earnings(timestamptz, timestamptz)',
    'tenancy.offering_calls(uuid, timestamptz, timestamptz, integer)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.authorize_usage_for(uuid, uuid, bigint, interval, uuid, uuid)',
    'tenancy.record_usage_for(uuid, text, uuid, bigint, bigint, timestamptz, uuid, uuid, uuid)'
], ARRAY['tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.reconcile_usage(uuid)'
], ARRAY['tenancy_service', 'tenancy_auditor']);

ROLLBACK;
