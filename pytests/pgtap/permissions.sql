-- The permission matrix and the delegation rule, as the roles see them.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(14);

\ir include/people.psql

-- A transaction enters one workspace, so each turn below ends with its savepoint.
SAVEPOINT turn;
SET LOCAL ROLE tenancy_app;

-- Olga, the owner, holds everything.
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT results_eq(
    'SELECT tenancy.my_permissions()',
    'SELECT DISTINCT permission FROM tenancy.role_permissions ORDER BY 1', 'an owner holds every permission'
);
SELECT is((SELECT count(DISTINCT permission) FROM tenancy.role_permissions), 46::bigint, 'of which there are so many');
SELECT is_empty(
    $$ SELECT p.permission FROM tenancy.role_permissions AS p WHERE NOT tenancy.has_permission(p.permission) $$,
    'has_permission() says the same'
);
SELECT throws_ok(
    $$ DELETE FROM tenancy.role_permissions $$, '42501', NULL, 'and does not change the matrix'
);
SELECT results_eq(
    'SELECT role, delegated_role FROM tenancy.role_delegations ORDER BY 1, 2',
    $$ VALUES
        ('admin', 'admin'), ('admin', 'user'),
        ('manager', 'manager'), ('manager', 'user'),
        ('owner', 'admin'), ('owner', 'manager'), ('owner', 'owner'), ('owner', 'user') $$,
    'who may give and take which roles'
);

-- Adam, the admin: what is technical.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(
    ARRAY(SELECT p FROM tenancy.my_permissions() AS p ORDER BY p COLLATE "C"),
    ARRAY(SELECT p FROM unnest(ARRAY[
        'members.view', 'members.invite', 'members.change_role', 'members.remove',
        'users.create', 'users.update', 'users.delete', 'settings.view', 'settings.update', 'audit.view',
        'api_keys.view', 'api_keys.create', 'api_keys.update', 'api_keys.revoke', 'api_keys.activate_tech',
        'instances.view', 'instances.use', 'instances.create', 'instances.update', 'instances.terminate',
        'instances.reinstall', 'instances.activate_tech',
        'models.view', 'models.use', 'models.create', 'models.update', 'models.delete', 'models.activate_tech',
        'finops.view', 'offerings.view', 'offerings.request', 'offerings.use', 'offerings.publish',
        'offerings.update', 'offerings.activate_tech'
    ]) AS p ORDER BY p COLLATE "C"), 'an admin'
);

-- Mary, the manager: what is economic.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(
    ARRAY(SELECT p FROM tenancy.my_permissions() AS p ORDER BY p COLLATE "C"),
    ARRAY(SELECT p FROM unnest(ARRAY[
        'members.view', 'members.invite', 'members.change_role', 'members.remove', 'settings.view', 'audit.view',
        'api_keys.view', 'api_keys.activate_eco', 'instances.view', 'instances.use', 'instances.activate_eco',
        'models.view', 'models.use', 'models.activate_eco', 'finops.view', 'finops.price', 'finops.authorize',
        'offerings.view', 'offerings.request', 'offerings.use', 'offerings.price', 'offerings.share',
        'offerings.approve', 'offerings.activate_eco'
    ]) AS p ORDER BY p COLLATE "C"), 'a manager'
);

-- Uwe, a user: looks and uses.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(
    ARRAY(SELECT p FROM tenancy.my_permissions() AS p ORDER BY p COLLATE "C"),
    ARRAY(SELECT p FROM unnest(ARRAY[
        'members.view', 'api_keys.view', 'instances.view', 'instances.use', 'models.view', 'models.use',
        'offerings.view', 'offerings.request', 'offerings.use'
    ]) AS p ORDER BY p COLLATE "C"), 'a user'
);
SELECT is_empty(
    $$
    SELECT p.permission FROM tenancy.role_permissions AS p
    WHERE tenancy.has_permission(p.permission)
    EXCEPT SELECT tenancy.my_permissions()
    $$, 'has_permission() says no more'
);

-- Pete in his personal workspace holds everything, on what is his own.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT is((SELECT count(*) FROM tenancy.my_permissions()), 46::bigint, 'a person in the personal workspace');
SELECT is(tenancy.workspace_for('instances.terminate'), '00000000-0000-4000-8000-00000000000f'::uuid, 'which is where they count');

-- A DBA changes the matrix, and everything follows.
ROLLBACK TO turn;
INSERT INTO tenancy.role_permissions (permission, role) VALUES ('organization.update', 'user');
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is((tenancy.update_organization('Uwe''s')).name, 'Uwe''s', 'a permission that was granted is had');

ROLLBACK TO turn;
DELETE FROM tenancy.role_permissions WHERE role = 'owner' AND permission = 'members.view';
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT throws_ok('SELECT tenancy.members()', '42501', NULL, 'one that was taken is gone');
SELECT is_empty('SELECT role FROM public.organization_memberships', 'and the rows with it');

SELECT finish();
ROLLBACK;
