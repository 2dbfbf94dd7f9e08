-- Access to tenancy.modules, revision 1.
--
-- Everybody in a workspace may read which modules there are and what they take; what
-- that comes to is visible_modules(). Changes are a DBA's.
CALL tenancy.publish('tenancy.modules', columns =>
    'key, name, path, place, workspaces, roles, permission');
