-- Verify pg-tenancy:kernel/memberships_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.check_delegation(text, text)',
    'tenancy_private.check_role(text)',
    'tenancy_private.role_of_member(uuid, uuid)',
    'tenancy_private.check_other_owner(uuid, uuid)',
    'tenancy_private.end_membership(uuid, uuid, text)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.members()',
    'tenancy.member(uuid)',
    'tenancy.change_member_role(uuid, text)',
    'tenancy.remove_member(uuid)',
    'tenancy.leave_organization()'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
