-- Deploy pg-tenancy:platform/permissions to pg
-- requires: kernel/role_permissions
-- requires: platform/foreign_keys

\set change platform/permissions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The permissions of the platform; see kernel/role_permissions.
INSERT INTO tenancy.permissions (number, permission)
SELECT m.number, m.permission
FROM (VALUES
    (19, 'instances.view'),
    (20, 'instances.use'),
    (21, 'instances.create'),
    (22, 'instances.update'),
    (23, 'instances.terminate'),
    (24, 'instances.reinstall'),
    (25, 'instances.activate_tech'),
    (26, 'instances.activate_eco'),
    (27, 'models.view'),
    (28, 'models.use'),
    (29, 'models.create'),
    (30, 'models.update'),
    (31, 'models.delete'),
    (32, 'models.activate_tech'),
    (33, 'models.activate_eco'),
    (34, 'finops.view'),
    (35, 'finops.price'),
    (36, 'finops.authorize'),
    (37, 'offerings.view'),
    (38, 'offerings.request'),
    (39, 'offerings.use'),
    (40, 'offerings.publish'),
    (41, 'offerings.update'),
    (42, 'offerings.price'),
    (43, 'offerings.share'),
    (44, 'offerings.approve'),
    (45, 'offerings.activate_tech'),
    (46, 'offerings.activate_eco')
) AS m (number, permission);

INSERT INTO tenancy.role_permissions (permission, role)
SELECT
    m.permission,
    holder.role
FROM (VALUES
    ('instances.view', 'oamus'),
    ('instances.use', 'oamus'),
    ('instances.create', 'oas'),
    ('instances.update', 'oas'),
    ('instances.terminate', 'oas'),
    ('instances.reinstall', 'oas'),
    ('instances.activate_tech', 'oa'),
    ('instances.activate_eco', 'om'),
    ('models.view', 'oamus'),
    ('models.use', 'oamus'),
    ('models.create', 'oas'),
    ('models.update', 'oas'),
    ('models.delete', 'oas'),
    ('models.activate_tech', 'oa'),
    ('models.activate_eco', 'om'),
    ('finops.view', 'oams'),
    ('finops.price', 'om'),
    ('finops.authorize', 'om'),
    ('offerings.view', 'oamu'),
    ('offerings.request', 'oamu'),
    ('offerings.use', 'oamu'),
    ('offerings.publish', 'oa'),
    ('offerings.update', 'oa'),
    ('offerings.price', 'om'),
    ('offerings.share', 'om'),
    ('offerings.approve', 'om'),
    ('offerings.activate_tech', 'oa'),
    ('offerings.activate_eco', 'om')
) AS m (permission, holders)
INNER JOIN (VALUES
    ('o', 'owner'), ('a', 'admin'), ('m', 'manager'), ('u', 'user'), ('s', 'staff')
) AS holder (letter, role)
    ON strpos(m.holders, holder.letter) > 0;

RESET ROLE;

-- Restores a matrix that a DBA had changed before a revert.
DO $$
BEGIN
    IF to_regclass('tenancy_archive.platform_role_permissions') IS NOT NULL THEN
        DELETE FROM tenancy.role_permissions AS p
        WHERE split_part(p.permission, '.', 1) IN ('instances', 'models', 'finops', 'offerings');
        INSERT INTO tenancy.role_permissions (permission, role)
        SELECT a.permission, a.role FROM tenancy_archive.platform_role_permissions AS a;
        CALL tenancy_private.drop_archived('platform_role_permissions');
    END IF;
END;
$$;

\ir ../../notes/done.psql
COMMIT;
