-- Verify pg-tenancy:memberships_functions on pg

BEGIN;

CALL tenancy_private.verify_routine('tenancy_private.check_delegation(text, text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.check_role(text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.role_of_member(uuid, uuid)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.check_other_owner(uuid, uuid)', '{}');
CALL tenancy_private.verify_routine('tenancy.members()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.change_member_role(uuid, text)', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy_private.end_membership(uuid, uuid, text)', '{}');
CALL tenancy_private.verify_routine('tenancy.remove_member(uuid)', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.leave_organization()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
