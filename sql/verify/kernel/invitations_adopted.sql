-- Verify pg-tenancy:kernel/invitations_adopted on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.adopt_invitation(jsonb)',
    'tenancy_private.take_invitation()',
    'tenancy_private.end_adopted_invitation()'
]);

ROLLBACK;
