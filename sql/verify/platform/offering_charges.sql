-- Verify pg-tenancy:platform/offering_charges on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.refuse_reused_request()',
    'tenancy_private.refuse_hold()',
    'tenancy_private.check_usage(text, bigint, bigint, timestamptz)',
    'tenancy_private.usage_fingerprint(uuid, bigint, bigint)',
    'tenancy_private.cost_of(tenancy.offering_usage)',
    'tenancy_private.start_trial(uuid, uuid, uuid)',
    'tenancy_private.require_quota(uuid, bigint)',
    'tenancy_private.require_offering(uuid, uuid, timestamptz)',
    'tenancy_private.authorize_usage(uuid, uuid, bigint, interval, uuid, uuid)',
    'tenancy_private.record_usage(uuid, text, uuid, bigint, bigint, timestamptz, uuid, uuid, uuid)',
    'tenancy_private.record_usages(uuid, tenancy.usage_request[], uuid, uuid)'
]);
CALL tenancy_private.verify_writers(ARRAY['tenancy_private.write_costs(jsonb)']);

ROLLBACK;
