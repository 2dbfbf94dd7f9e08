-- Revert pg-tenancy:platform/offering_charges from pg

\set change platform/offering_charges
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy_private.record_usages(uuid, tenancy.usage_request[], uuid, uuid);
DROP FUNCTION tenancy_private.record_usage(
    uuid, text, uuid, bigint, bigint, timestamptz, uuid, uuid, uuid
);
DROP FUNCTION tenancy_private.authorize_usage(uuid, uuid, bigint, interval, uuid, uuid);
DROP FUNCTION tenancy_private.require_offering(uuid, uuid, timestamptz);
DROP FUNCTION tenancy_private.require_quota(uuid, bigint);
DROP FUNCTION tenancy_private.start_trial(uuid, uuid, uuid);
DROP FUNCTION tenancy_private.write_costs(jsonb);
DROP FUNCTION tenancy_private.cost_of(tenancy.offering_usage);
DROP FUNCTION tenancy_private.usage_fingerprint(uuid, bigint, bigint);
DROP FUNCTION tenancy_private.check_usage(text, bigint, bigint, timestamptz);
DROP FUNCTION tenancy_private.refuse_hold();
DROP FUNCTION tenancy_private.refuse_reused_request();
DROP TYPE tenancy.usage_request;

\ir ../../notes/done.psql
COMMIT;
