-- The policies of each table: these, and no others.
-- noqa: disable=LT05

BEGIN;
SELECT plan(33);

-- Every table has its floor, what each command may reach, and what services, functions and auditors see.
SELECT policies_are('public', 'users', ARRAY['users_tenant', 'users_select', 'users_service', 'users_auditor']);
SELECT policies_are('public', 'organizations', ARRAY[
    'organizations_tenant', 'organizations_select', 'organizations_service', 'organizations_auditor'
]);
SELECT policies_are('public', 'organization_memberships', ARRAY[
    'organization_memberships_tenant', 'organization_memberships_select',
    'organization_memberships_service', 'organization_memberships_auditor'
]);
SELECT policies_are('tenancy', 'workspaces', ARRAY[
    'workspaces_tenant', 'workspaces_select', 'workspaces_service', 'workspaces_auditor'
]);
SELECT policies_are('tenancy', 'audit_log', ARRAY[
    'audit_log_tenant', 'audit_log_select', 'audit_log_service', 'audit_log_auditor'
]);
SELECT policies_are('tenancy', 'invitations', ARRAY[
    'invitations_tenant', 'invitations_select', 'invitations_service', 'invitations_auditor'
]);
SELECT policies_are('public', 'api_keys', ARRAY[
    'api_keys_tenant', 'api_keys_select', 'api_keys_update', 'api_keys_service', 'api_keys_auditor'
]);
SELECT policies_are('public', 'instances', ARRAY[
    'instances_tenant', 'instances_select', 'instances_insert', 'instances_update',
    'instances_service', 'instances_auditor'
]);
-- Public models are read from everywhere, so reading has another floor than writing.
SELECT policies_are('public', 'models', ARRAY[
    'models_catalogue', 'models_tenant_insert', 'models_tenant_update', 'models_tenant_delete',
    'models_select', 'models_insert', 'models_update', 'models_service', 'models_auditor'
]);
-- What is published belongs to nobody, and has no floor.
SELECT policies_are('tenancy', t.name, ARRAY[t.name || '_select', t.name || '_service', t.name || '_auditor'])
FROM (VALUES ('permissions'), ('role_permissions'), ('role_delegations'), ('instance_transitions')) AS t (name);
SELECT is_empty(
    $$
    SELECT p.polrelid::regclass, p.polname
    FROM pg_policy AS p
    WHERE p.polrelid NOT IN (SELECT t.table_name FROM tenancy_private.protected_tables AS t)
    $$,
    'no other table has a policy'
);

-- What a name promises: how the policy counts, for which command, and for whom.
CREATE TEMPORARY VIEW kinds AS
SELECT k.*
FROM (VALUES
    ('tenant', false, '*', '{tenancy_credentialed}'),
    ('tenant_insert', false, 'a', '{tenancy_credentialed}'),
    ('tenant_update', false, 'w', '{tenancy_credentialed}'),
    ('tenant_delete', false, 'd', '{tenancy_credentialed}'),
    ('catalogue', false, 'r', '{tenancy_credentialed}'),
    ('select', true, 'r', '{tenancy_credentialed}'),
    ('insert', true, 'a', '{tenancy_credentialed}'),
    ('update', true, 'w', '{tenancy_credentialed}'),
    ('service', true, '*', '{tenancy_owner,tenancy_service,tenancy_writer}'),
    ('auditor', true, 'r', '{tenancy_auditor}')
) AS k (suffix, is_permissive, command, roles);

SELECT is_empty(
    $$
    SELECT p.polrelid::regclass, p.polname
    FROM pg_policy AS p
    INNER JOIN pg_class AS c ON p.polrelid = c.oid
    WHERE NOT EXISTS (
        SELECT FROM kinds AS k
        WHERE p.polname = c.relname || '_' || k.suffix
            AND p.polpermissive = k.is_permissive
            AND p.polcmd = k.command::"char"
            AND k.roles::text[] = ARRAY(SELECT r::regrole::text FROM unnest(p.polroles) AS r ORDER BY 1)
    )
    $$,
    'a floor restricts, a command has its policy, and both are for who enters a workspace; services are not tenants, '
    'and an auditor only reads'
);
SELECT policy_roles_are('public', 'models', 'models_catalogue', ARRAY['tenancy_credentialed']);
SELECT policy_cmd_is('public', 'models', 'models_catalogue'::name, 'select');
SELECT policy_roles_are('public', 'users', 'users_service', ARRAY['tenancy_service', 'tenancy_owner', 'tenancy_writer']);

-- Without a context the value of the floor and that of the way in are compared
-- before a row is reached, and only because they are not written alike.
SELECT is_empty(
    $$
    SELECT f.polrelid::regclass
    FROM pg_policy AS f
    INNER JOIN pg_policy AS s ON f.polrelid = s.polrelid AND s.polpermissive AND s.polroles = f.polroles
    WHERE NOT f.polpermissive
        AND pg_get_expr(f.polqual, f.polrelid) = pg_get_expr(s.polqual, s.polrelid)
    $$,
    'no table''s floor is written like what a command may reach'
);
SELECT throws_ok(
    format('SET LOCAL ROLE tenancy_app; SELECT %I FROM %s', t.key, t.table_name),
    '28000', 'this transaction is in no workspace', format('the application hears of it in no workspace, at %s', t.table_name)
)
FROM tenancy_private.protected_tables AS t;
SELECT throws_ok(
    $$ SET LOCAL ROLE tenancy_credentialed; SELECT count(*) FROM tenancy.audit_log $$,
    '28000', NULL, 'and so does a login with credentials'
);

SELECT finish();
ROLLBACK;
