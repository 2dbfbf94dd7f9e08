-- Access to the permission matrix, revision 1.
--
-- Everybody in a workspace may read the matrix. Only DBAs change it.
CALL tenancy.publish('tenancy.permissions', columns => 'permission, number');
CALL tenancy.publish('tenancy.role_permissions', columns => 'permission, role');
CALL tenancy.publish('tenancy.role_delegations', columns => 'role, delegated_role');
