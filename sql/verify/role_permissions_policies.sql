-- Verify pg-tenancy:role_permissions_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('tenancy.role_permissions', ARRAY[
    'role_permissions_select', 'role_permissions_service', 'role_permissions_owner',
    'role_permissions_auditor'
]);
CALL tenancy_private.verify_grants('tenancy.role_permissions', 'tenancy_credentialed', 'SELECT');
CALL tenancy_private.verify_grants('tenancy.role_permissions', 'tenancy_credentialed', 'SELECT');
CALL tenancy_private.verify_grants('tenancy.role_permissions', 'tenancy_service', 'SELECT');
CALL tenancy_private.verify_grants('tenancy.role_permissions', 'tenancy_auditor', 'SELECT');
CALL tenancy_private.verify_policies('tenancy.role_delegations', ARRAY[
    'role_delegations_select', 'role_delegations_service', 'role_delegations_owner',
    'role_delegations_auditor'
]);
CALL tenancy_private.verify_grants('tenancy.role_delegations', 'tenancy_credentialed', 'SELECT');
CALL tenancy_private.verify_grants('tenancy.role_delegations', 'tenancy_credentialed', 'SELECT');
CALL tenancy_private.verify_grants('tenancy.role_delegations', 'tenancy_service', 'SELECT');
CALL tenancy_private.verify_grants('tenancy.role_delegations', 'tenancy_auditor', 'SELECT');

ROLLBACK;
