-- The permission matrix and the delegation rule, as the roles see them.
-- noqa: disable=PRS,LT05

BEGIN;
SELECT plan(45);

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

-- Adam, the admin: technical permissions.
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

-- Mary, the manager: economic permissions.
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

-- Uwe, a user: viewing and using.
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

-- Pete in his personal workspace holds every permission, on his own rows.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT is((SELECT count(*) FROM tenancy.my_permissions()), 46::bigint, 'a person in the personal workspace');
SELECT is(tenancy.has_permission('no.such_thing'), false, 'but nothing that is no permission');

-- In the platform's workspace he is staff, with the permissions of staff in the matrix.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter_platform('00000000-0000-4000-8000-00000000000f') AS entered \gset
SELECT is(
    ARRAY(SELECT p FROM tenancy.my_permissions() AS p ORDER BY p COLLATE "C"),
    ARRAY(SELECT p FROM unnest(ARRAY[
        'members.view', 'users.create', 'users.update', 'users.delete', 'settings.view', 'settings.update', 'audit.view',
        'instances.view', 'instances.use', 'instances.create', 'instances.update', 'instances.terminate',
        'instances.reinstall', 'models.view', 'models.use', 'models.create', 'models.update', 'models.delete', 'finops.view'
    ]) AS p ORDER BY p COLLATE "C"), 'platform staff'
);
SELECT is_empty(
    $$
    SELECT p.permission FROM tenancy.role_permissions AS p
    WHERE tenancy.has_permission(p.permission)
    EXCEPT SELECT tenancy.my_permissions()
    $$, 'has_permission() says no more'
);
SELECT throws_ok(
    $$ SELECT tenancy.require_permission('members.invite') $$,
    '42501', 'role staff lacks permission members.invite', 'what is an organization''s is not theirs'
);

-- The sealed permissions are those at the time of entering.
ROLLBACK TO turn;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
RESET ROLE;
INSERT INTO tenancy.role_permissions (permission, role) VALUES ('organization.update', 'user');
SET LOCAL ROLE tenancy_app;
SELECT is(tenancy.has_permission('organization.update'), false, 'a change of the matrix counts from the next transaction');

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
SELECT throws_ok(
    $$ SELECT tenancy.member('00000000-0000-4000-8000-00000000000a') $$, '42501', 'role owner lacks permission members.view'
);
SELECT is_empty('SELECT role FROM public.organization_memberships', 'and the rows with it');

-- The permissions of each role in one row, which only changes of the matrix write, however they
-- are made.
ROLLBACK TO turn;
CREATE TEMPORARY VIEW matrix AS
SELECT
    r.role,
    string_agg(
        CASE
            WHEN p.permission IS NULL THEN '0'
            WHEN r.role = 'person' OR h.permission IS NOT NULL THEN '1'
            ELSE '0'
        END, '' ORDER BY n.number
    ) AS bits
FROM (VALUES ('owner'), ('admin'), ('manager'), ('user'), ('staff'), ('person')) AS r (role)
CROSS JOIN generate_series(1, (SELECT max(p.number) FROM tenancy.permissions AS p)) AS n (number)
LEFT JOIN tenancy.permissions AS p ON n.number = p.number
LEFT JOIN tenancy.role_permissions AS h ON p.permission = h.permission AND r.role = h.role
GROUP BY r.role;
CREATE TEMPORARY VIEW differing AS
SELECT coalesce(m.role, b.role) AS role
FROM matrix AS m
FULL JOIN tenancy_private.role_bits AS b USING (role)
WHERE m.bits IS DISTINCT FROM b.bits;
SAVEPOINT matrix;
SELECT is_empty('SELECT role FROM differing', 'what is sealed is what the matrix says');
DELETE FROM tenancy.role_permissions WHERE role = 'manager';
SELECT is_empty('SELECT role FROM differing', 'after a DELETE');
UPDATE tenancy.role_permissions SET role = 'manager' WHERE role = 'user';
SELECT is_empty('SELECT role FROM differing', 'an UPDATE');
TRUNCATE tenancy.role_permissions;
SELECT is_empty('SELECT role FROM differing', 'and a TRUNCATE');
SELECT is((SELECT sum(strpos(bits, '1')) FROM tenancy_private.role_bits WHERE role <> 'person'), 0::bigint, 'which leaves nobody anything');
ROLLBACK TO matrix;
SET LOCAL session_replication_role = replica;
INSERT INTO tenancy.role_permissions (permission, role) VALUES ('organization.update', 'user');
SELECT is_empty('SELECT role FROM differing', 'also where triggers are off');
INSERT INTO tenancy.permissions (permission, number) VALUES ('gadgets.view', 60);
SELECT is_empty('SELECT role FROM differing', 'a further permission is known');
SELECT is(
    (SELECT substr(bits, 60, 1) FROM tenancy_private.role_bits WHERE role = 'person'), '1', 'and everybody''s own at once'
);
DELETE FROM tenancy.permissions WHERE permission = 'gadgets.view';
SELECT is_empty('SELECT role FROM differing', 'until it is gone');
ROLLBACK TO matrix;
SELECT throws_ok(
    $$ INSERT INTO tenancy.role_permissions (permission, role) VALUES ('no.such_thing', 'user') $$, '23503', NULL,
    'no role holds what is no permission'
);
DELETE FROM tenancy.permissions WHERE permission = 'models.view';
SELECT is_empty(
    $$ SELECT role FROM tenancy.role_permissions WHERE permission = 'models.view' $$, 'nor what is none any more'
);
SELECT throws_ok(
    $$ INSERT INTO tenancy.permissions (permission, number) VALUES ('gadgets.view', 1) $$, '23505', NULL, 'a number is one permission''s'
);

-- An application's own permissions.
ROLLBACK TO turn;
SELECT lives_ok(
    $$ SELECT tenancy.define_permission('gadgets.polish', ARRAY['owner', 'user']) $$, 'an application defines a permission'
);
SELECT cmp_ok(
    (SELECT number FROM tenancy.permissions WHERE permission = 'gadgets.polish'), '>', 100,
    'with a number beyond those of pg-tenancy'
);
SELECT tenancy.define_permission('gadgets.polish', ARRAY['user', 'manager']) AS defined \gset
SELECT results_eq(
    $$ SELECT role FROM tenancy.role_permissions WHERE permission = 'gadgets.polish' ORDER BY role COLLATE "C" $$,
    $$ VALUES ('manager'), ('user') $$, 'and says anew who holds it'
);
SELECT count(tenancy.define_permission('gadgets.polish', ARRAY['user', 'manager'])) AS defined FROM generate_series(1, 3) \gset
SELECT tenancy.define_permission('gadgets.sell') AS defined \gset
SELECT is(
    (SELECT max(number) - min(number) FROM tenancy.permissions WHERE permission ~ '^gadgets'), 1,
    'said again, it uses up no number'
);
SAVEPOINT defined;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(tenancy.has_permission('gadgets.polish'), true, 'Uwe does');
ROLLBACK TO defined;
SET LOCAL ROLE tenancy_app;
SELECT tenancy.enter('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-000000000001') AS entered \gset
SELECT is(tenancy.has_permission('gadgets.polish'), false, 'and Olga does not any more');
SELECT throws_ok(
    $$ SELECT tenancy.define_permission('gadgets.polish', ARRAY['owner']) $$, '42501', NULL, 'nor can she see to it'
);
RESET ROLE;
SELECT throws_ok(format('SELECT tenancy.define_permission(%L)', p.name), '22023', NULL, 'no permission: ' || p.kind)
FROM (VALUES (NULL, 'NULL'), ('gadgets', 'one word'), ('Gadgets.view', 'a capital'), ('a.b.c', 'three words')) AS p (name, kind);
SELECT throws_ok(
    format('SELECT tenancy.define_permission(%L, %L)', 'gadgets.view', r.roles), '22023', NULL, 'no roles: ' || r.kind
)
FROM (VALUES ('{boss}', 'boss'), (NULL, 'NULL'), ('{owner,NULL}', 'an owner and NULL')) AS r (roles, kind);

SELECT finish();
ROLLBACK;
