-- The policies of each table: exactly these.
-- noqa: disable=LT05

BEGIN;
SELECT plan(78);

-- Every table has a floor for each command, policies of allowed commands, and those of
-- services, functions and auditors.
SELECT policies_are(t.schema, t.name, ARRAY[
    t.name || '_tenant', t.name || '_tenant_insert', t.name || '_tenant_update', t.name || '_tenant_delete',
    t.name || '_service', t.name || '_auditor'
] || ARRAY(SELECT t.name || '_' || c.command FROM unnest(t.commands) AS c (command)))
FROM (VALUES
    ('public', 'users', '{select}'::text[]),
    ('public', 'organizations', '{select}'),
    ('public', 'organization_memberships', '{select}'),
    ('tenancy', 'workspaces', '{select}'),
    ('tenancy', 'audit_log', '{select}'),
    ('tenancy', 'invitations', '{select}'),
    ('tenancy', 'settings', '{select}'),
    ('public', 'provider_settings', '{select}'),
    ('tenancy', 'wallets', '{select}'),
    ('tenancy', 'transfers', '{select}'),
    ('tenancy', 'ledger_entries', '{select}'),
    ('tenancy', 'wallet_holds', '{select}'),
    ('tenancy', 'credit_grants', '{select}'),
    ('tenancy', 'credit_grant_uses', '{select}'),
    ('tenancy', 'unpaid_amounts', '{select}'),
    ('tenancy', 'spending_limits', '{select}'),
    ('tenancy', 'ledger_checkpoints', '{select}'),
    ('public', 'organization_models', '{select}'),
    ('public', 'organization_model_shares', '{select}'),
    ('tenancy', 'offering_prices', '{select}'),
    ('tenancy', 'access_requests', '{select}'),
    ('tenancy', 'entitlements', '{select}'),
    ('tenancy', 'catalog_preferences', '{select}'),
    ('tenancy', 'usage_authorizations', '{select}'),
    ('tenancy', 'offering_usage', '{select}'),
    ('public', 'api_keys', '{select,update}'),
    ('public', 'instances', '{select,insert,update}'),
    ('public', 'models', '{select,insert,update}'),
    ('finops', 'inference_usage', '{select}'),
    ('finops', 'cost_actual_minute', '{select}')
) AS t (schema, name, commands);
-- Published tables belong to nobody, and have no floor.
SELECT policies_are('tenancy', t.name, ARRAY[t.name || '_select', t.name || '_service', t.name || '_auditor'])
FROM (VALUES ('permissions'), ('role_permissions'), ('role_delegations'), ('instance_transitions'), ('modules'), ('settings_definitions')) AS t (name);
SELECT is_empty(
    $$
    SELECT p.polrelid::regclass, p.polname
    FROM pg_policy AS p
    WHERE p.polrelid NOT IN (SELECT t.table_name FROM tenancy_private.protected_tables AS t)
        AND p.polname <> 'secrets_owner'
    $$,
    'no other table has a policy'
);

-- The meaning of a policy's name: its kind, its command, and its roles.
CREATE TEMPORARY VIEW kinds AS
SELECT k.*
FROM (VALUES
    ('tenant', false, 'r', '{tenancy_credentialed}'),
    ('tenant_insert', false, 'a', '{tenancy_credentialed}'),
    ('tenant_update', false, 'w', '{tenancy_credentialed}'),
    ('tenant_delete', false, 'd', '{tenancy_credentialed}'),
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
    -- Row-level security is forced on the owner of the secrets, which no other role can reach.
    WHERE p.polname <> 'secrets_owner' AND NOT EXISTS (
        SELECT FROM kinds AS k
        WHERE p.polname = c.relname || '_' || k.suffix
            AND p.polpermissive = k.is_permissive
            AND p.polcmd = k.command::"char"
            -- Logins from before the migration keep their rights on the application's tables,
            -- and have none on others.
            AND CASE
                WHEN k.suffix = 'service' AND c.relnamespace <> 'tenancy'::regnamespace
                    THEN '{tenancy_legacy}'::text[] || k.roles::text[]
                ELSE k.roles::text[]
            END = ARRAY(SELECT r::regrole::text FROM unnest(p.polroles) AS r ORDER BY 1)
    )
    $$,
    'a floor restricts, a command has its policy, and both are for who enters a workspace; services are not tenants, '
    'and an auditor only reads'
);
SELECT policy_roles_are('public', 'models', 'models_tenant', ARRAY['tenancy_credentialed']);
SELECT policy_cmd_is('public', 'models', 'models_tenant'::name, 'select');
SELECT policy_roles_are('public', 'users', 'users_service', ARRAY['tenancy_service', 'tenancy_legacy', 'tenancy_owner', 'tenancy_writer']);

-- Without a context the two values of the floor are compared before a row is reached.
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
