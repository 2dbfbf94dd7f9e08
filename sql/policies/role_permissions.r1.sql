-- Access to the permission matrix, revision 1.
--
-- Everybody in a workspace may read who can do what. Changes are a DBA's.
CALL tenancy.publish('tenancy.permissions', columns => 'permission, number');
CALL tenancy.publish('tenancy.role_permissions', columns => 'permission, role');
CALL tenancy.publish('tenancy.role_delegations', columns => 'role, delegated_role');
