-- The policies of each table: these, and no others.

BEGIN;
SELECT plan(58);

SELECT policies_are('public', 'users', ARRAY[
    'users_workspace', 'users_select', 'users_service', 'users_auditor'
]);
SELECT policies_are('public', 'organizations', ARRAY[
    'organizations_workspace',
    'organizations_select',
    'organizations_service',
    'organizations_auditor'
]);
SELECT policies_are('public', 'organization_memberships', ARRAY[
    'organization_memberships_workspace', 'organization_memberships_select',
    'organization_memberships_service', 'organization_memberships_auditor'
]);
SELECT policies_are('tenancy', 'workspaces', ARRAY[
    'workspaces_workspace', 'workspaces_select', 'workspaces_service', 'workspaces_auditor'
]);
SELECT policies_are('tenancy', 'audit_log', ARRAY[
    'audit_log_workspace',
    'audit_log_select',
    'audit_log_service',
    'audit_log_owner',
    'audit_log_auditor'
]);
SELECT policies_are('tenancy', 'role_permissions', ARRAY[
    'role_permissions_select', 'role_permissions_service', 'role_permissions_owner',
    'role_permissions_auditor'
]);
SELECT policies_are('tenancy', 'role_delegations', ARRAY[
    'role_delegations_select', 'role_delegations_service', 'role_delegations_owner',
    'role_delegations_auditor'
]);
SELECT policies_are('tenancy', 'invitations', ARRAY[
    'invitations_workspace', 'invitations_select', 'invitations_service', 'invitations_owner',
    'invitations_auditor'
]);
SELECT policies_are('public', 'api_keys', ARRAY[
    'api_keys_workspace', 'api_keys_select', 'api_keys_update',
    'api_keys_service', 'api_keys_auditor'
]);
SELECT policies_are('public', 'instances', ARRAY[
    'instances_workspace', 'instances_select', 'instances_insert', 'instances_update',
    'instances_service', 'instances_auditor'
]);
SELECT policies_are('public', 'models', ARRAY[
    'models_workspace', 'models_select', 'models_insert', 'models_update', 'models_delete',
    'models_service', 'models_auditor'
]);
SELECT policies_are('tenancy', 'instance_transitions', ARRAY[
    'instance_transitions_select', 'instance_transitions_service', 'instance_transitions_owner',
    'instance_transitions_auditor'
]);
SELECT is_empty(
    $$
    SELECT tablename, policyname
    FROM pg_policies
    WHERE schemaname || '.' || tablename NOT IN (
        'public.users', 'public.organizations', 'public.organization_memberships', 'tenancy.workspaces',
        'tenancy.audit_log', 'tenancy.role_permissions', 'tenancy.role_delegations', 'tenancy.invitations',
        'public.api_keys', 'public.instances', 'public.models', 'tenancy.instance_transitions'
    )
    $$,
    'no other table has a policy'
);

-- The floor and the way in are for the roles that enter workspaces.
SELECT
    policy_roles_are(
        'public', 'users', 'users_workspace', ARRAY['tenancy_app', 'tenancy_credentialed']
    );
SELECT
    policy_roles_are(
        'public', 'users', 'users_select', ARRAY['tenancy_app', 'tenancy_credentialed']
    );
SELECT policy_cmd_is('public', 'users', 'users_workspace'::name, 'all');
SELECT policy_cmd_is('public', 'users', 'users_select'::name, 'select');
SELECT
    policy_roles_are(
        'public',
        'organizations',
        'organizations_workspace',
        ARRAY['tenancy_app', 'tenancy_credentialed']
    );
SELECT policy_cmd_is('public', 'organizations', 'organizations_select'::name, 'select');
SELECT policy_roles_are(
    'public', 'organization_memberships', 'organization_memberships_workspace',
    ARRAY['tenancy_app', 'tenancy_credentialed']
);
SELECT
    policy_cmd_is(
        'public', 'organization_memberships', 'organization_memberships_select'::name, 'select'
    );
SELECT
    policy_roles_are(
        'tenancy',
        'workspaces',
        'workspaces_workspace',
        ARRAY['tenancy_app', 'tenancy_credentialed']
    );
SELECT policy_cmd_is('tenancy', 'workspaces', 'workspaces_select'::name, 'select');
SELECT
    policy_roles_are(
        'tenancy', 'audit_log', 'audit_log_workspace', ARRAY['tenancy_app', 'tenancy_credentialed']
    );
SELECT policy_cmd_is('tenancy', 'audit_log', 'audit_log_select'::name, 'select');
SELECT
    policy_roles_are(
        'tenancy',
        'invitations',
        'invitations_workspace',
        ARRAY['tenancy_app', 'tenancy_credentialed']
    );
SELECT policy_cmd_is('tenancy', 'invitations', 'invitations_select'::name, 'select');
SELECT policy_roles_are(
    'public', t.name, t.name || '_workspace', ARRAY['tenancy_app', 'tenancy_credentialed']
)
FROM (VALUES ('api_keys'), ('instances'), ('models')) AS t (name);
SELECT policy_roles_are(
    'public', w.name, w.name || '_' || w.command, ARRAY['tenancy_app', 'tenancy_credentialed']
)
FROM (VALUES
    ('api_keys', 'update'), ('instances', 'insert'), ('instances', 'update'),
    ('models', 'insert'), ('models', 'update'), ('models', 'delete')
) AS w (name, command);
SELECT policy_cmd_is('public', w.name, (w.name || '_' || w.command)::name, w.command)
FROM (VALUES
    ('api_keys', 'update'), ('instances', 'insert'), ('instances', 'update'),
    ('models', 'insert'), ('models', 'update'), ('models', 'delete')
) AS w (name, command);

-- Services and auditors have policies of their own; an auditor only reads.
SELECT
    policy_roles_are('public', 'users', 'users_service', ARRAY['tenancy_service', 'tenancy_owner']);
SELECT policy_roles_are('tenancy', 'audit_log', 'audit_log_service', ARRAY['tenancy_service']);
SELECT policy_cmd_is('tenancy', 'audit_log', 'audit_log_service'::name, 'select');
SELECT policy_cmd_is('public', 'users', 'users_auditor'::name, 'select');
SELECT policy_cmd_is('public', 'organizations', 'organizations_auditor'::name, 'select');
SELECT
    policy_cmd_is(
        'public', 'organization_memberships', 'organization_memberships_auditor'::name, 'select'
    );
SELECT policy_cmd_is('tenancy', 'workspaces', 'workspaces_auditor'::name, 'select');
SELECT policy_cmd_is('tenancy', 'audit_log', 'audit_log_auditor'::name, 'select');
SELECT policy_cmd_is('public', t.name, (t.name || '_auditor')::name, 'select')
FROM (VALUES ('api_keys'), ('instances'), ('models')) AS t (name);
SELECT policy_cmd_is('tenancy', 'invitations', 'invitations_service'::name, 'select');
SELECT policy_cmd_is('tenancy', 'invitations', 'invitations_auditor'::name, 'select');

-- Without a context the value of the floor and that of the way in are compared
-- before a row is reached, and only because they are not written alike.
SELECT is_empty(
    $$
    SELECT f.polrelid::regclass
    FROM pg_policy AS f
    INNER JOIN pg_policy AS s ON f.polrelid = s.polrelid AND s.polcmd = 'r' AND s.polroles = f.polroles
    WHERE NOT f.polpermissive
        AND pg_get_expr(f.polqual, f.polrelid) = pg_get_expr(s.polqual, s.polrelid)
    $$,
    'no table''s floor is written like its select policy'
);
SELECT throws_ok(
    $$ SET LOCAL ROLE tenancy_app; SELECT count(*) FROM public.organizations $$,
    '28000', NULL, 'the application sees nothing in no workspace, and hears of it'
);
SELECT throws_ok(
    $$ SET LOCAL ROLE tenancy_credentialed; SELECT count(*) FROM tenancy.audit_log $$,
    '28000', NULL, 'nor does a login with credentials'
);

SELECT finish();
ROLLBACK;
