-- Verify pg-tenancy:kernel/entering on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

SELECT
    r.credential_id,
    r.revoked_at,
    r.place
FROM tenancy_private.revocations AS r
LIMIT 0;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.latch_identity(bytea, bytea)',
    'tenancy_private.check_latch(integer, bytea, boolean)',
    'tenancy_private.may_carry()',
    'tenancy_private.check_login()',
    'tenancy_private.require_transaction()',
    'tenancy_private.refuse_member()',
    'tenancy_private.reads_the_past()',
    'tenancy_private.credential_span(uuid)',
    'tenancy_private.revocation_place(uuid)',
    'tenancy_private.revoke(uuid[])',
    'tenancy_private.check_fresh(text, text[], uuid)',
    'tenancy_private.enter_as(uuid, uuid, boolean, text, uuid)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.enter(uuid, uuid)',
    'tenancy.enter_platform(uuid)'
], ARRAY['tenancy_app', 'tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.enter_as_service(uuid, uuid)'
], ARRAY['tenancy_service']);

ROLLBACK;
