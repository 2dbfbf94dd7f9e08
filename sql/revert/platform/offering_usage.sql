-- Revert pg-tenancy:platform/offering_usage from pg

\set change platform/offering_usage
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.reconcile_usage(uuid);
DROP FUNCTION tenancy.offering_calls(uuid, timestamptz, timestamptz, integer);
DROP FUNCTION tenancy.offering_earnings(timestamptz, timestamptz);
DROP FUNCTION tenancy.reverse_usage(uuid);
DROP FUNCTION tenancy.record_usage_for(
    uuid, text, uuid, bigint, bigint, timestamptz, uuid, uuid, uuid
);
DROP FUNCTION tenancy.record_usages(tenancy.usage_request[]);
DROP FUNCTION tenancy.record_usage(text, uuid, bigint, bigint, timestamptz, uuid);
DROP FUNCTION tenancy_private.require_consumer(uuid);
DROP FUNCTION tenancy.release_usage(uuid);
DROP FUNCTION tenancy.authorize_usage_for(uuid, uuid, bigint, interval, uuid, uuid);
DROP FUNCTION tenancy.authorize_usage(uuid, bigint, interval);
DROP FUNCTION tenancy_private.calling_user();

\ir ../../notes/done.psql
COMMIT;
