-- Revert pg-tenancy:platform/offerings_functions from pg

\set change platform/offerings_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.revoke_entitlement(uuid);
DROP FUNCTION tenancy.deny_access(uuid, text);
DROP FUNCTION tenancy.approve_access(uuid, timestamptz, bigint, numeric, timestamptz);
DROP FUNCTION tenancy_private.pending_request(uuid, uuid);
DROP FUNCTION tenancy.access_requests(text);
DROP FUNCTION tenancy.request_access(uuid, text);
DROP FUNCTION tenancy.revoke_share(uuid);
DROP FUNCTION tenancy.resume_share(uuid);
DROP FUNCTION tenancy.pause_share(uuid);
DROP FUNCTION tenancy_private.change_share(uuid, text, text[]);
DROP FUNCTION tenancy.share_offering(uuid, uuid, jsonb, timestamptz, timestamptz);
DROP FUNCTION tenancy_private.check_period(timestamptz, timestamptz);
DROP FUNCTION tenancy.set_offering_price(uuid, numeric, timestamptz);
DROP FUNCTION tenancy.update_offering(uuid, text, text, text, text, text, boolean, integer, bigint);
DROP FUNCTION tenancy.publish_offering(
    uuid, text, text, text, text, numeric, text, integer, bigint
);
DROP FUNCTION tenancy_private.refuse_code();
DROP FUNCTION tenancy_private.add_offering_price(uuid, uuid, numeric, timestamptz, uuid);
DROP FUNCTION tenancy_private.checked_price(numeric);
DROP FUNCTION tenancy_private.check_offering(text, text, text, text, integer, bigint);
DROP FUNCTION tenancy_private.own_offering(uuid, uuid);

\ir ../../notes/done.psql
COMMIT;
