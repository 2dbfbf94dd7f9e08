-- Verify pg-tenancy:kernel/invitations_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.invitation_status('
    'timestamptz, timestamptz, timestamptz, timestamptz, timestamptz)',
    'tenancy_private.token_hash(text)',
    'tenancy_private.refuse_invitation()'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.invite_member(text, text, interval)',
    'tenancy.invitations()',
    'tenancy.revoke_invitation(uuid)',
    'tenancy.accept_invitation(text, text, text, text, text)',
    'tenancy.peek_invitation(text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
