-- Access to tenancy.modules, revision 1.
--
-- Everybody in a workspace may read the modules and their conditions; visible_modules()
-- evaluates them. Only DBAs change them.
CALL tenancy.publish('tenancy.modules', columns =>
    'key, name, path, place, workspaces, roles, permission');
