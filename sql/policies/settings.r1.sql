-- Access to tenancy.settings and tenancy.settings_definitions, revision 1.
--
-- The settings that a workspace has set, for the roles that hold settings.view;
-- tenancy.settings() has the effective values. Written by functions only.
CALL tenancy.protect('tenancy.settings');
CALL tenancy.allow('tenancy.settings', 'SELECT', 'settings.view', columns =>
    'subject_id, key, updated_at, updated_by_user_id');
GRANT SELECT (workspace_id, subject_id, key, updated_at, updated_by_user_id)
ON tenancy.settings TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.settings');

-- The definitions of settings. Only DBAs change them.
CALL tenancy.publish('tenancy.settings_definitions', columns =>
    'key, scope, value_type, min_int, max_int, default_value, is_secret, is_required, subjects, '
    'description');
