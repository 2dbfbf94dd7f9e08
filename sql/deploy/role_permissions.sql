-- Deploy pg-tenancy:role_permissions to pg
-- requires: policy_helpers
-- requires: archive_helpers

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Who may do what is data: a DBA who wants managers to create instances
-- inserts a row, and every policy, trigger and function follows.
CREATE TABLE tenancy.role_permissions (
    permission text NOT NULL,
    role       text NOT NULL,
    CONSTRAINT role_permissions_pkey PRIMARY KEY (permission, role),
    CONSTRAINT role_permissions_permission_check CHECK (permission ~ '^[a-z_]+[.][a-z_]+$'),
    CONSTRAINT role_permissions_role_check CHECK (role IN ('owner', 'admin', 'manager', 'user'))
);
COMMENT ON TABLE tenancy.role_permissions IS
'Which organization role holds which permission. In a personal workspace the user holds every permission named here.';

-- Closed until role_permissions_policies opens it.
CALL tenancy_private.close_own_table('tenancy.role_permissions');

-- A permission says that somebody may deal with roles at all, this table which
-- ones: a change of role needs both the old and the new one here, an
-- invitation the promised one, a removal the one that the member has.
CREATE TABLE tenancy.role_delegations (
    role           text NOT NULL,
    delegated_role text NOT NULL,
    CONSTRAINT role_delegations_pkey PRIMARY KEY (role, delegated_role),
    CONSTRAINT role_delegations_role_check CHECK (role IN ('owner', 'admin', 'manager', 'user')),
    CONSTRAINT role_delegations_delegated_role_check
    CHECK (delegated_role IN ('owner', 'admin', 'manager', 'user'))
);
COMMENT ON TABLE tenancy.role_delegations IS
'Which roles somebody of a role may give and take.';

CALL tenancy_private.close_own_table('tenancy.role_delegations');

INSERT INTO tenancy.role_permissions (permission, role)
SELECT
    m.permission,
    holder.role
FROM (VALUES
    ('organization.update', 'o'),
    ('organization.delete', 'o'),
    ('members.view', 'oamu'),
    ('members.invite', 'oam'),
    ('members.change_role', 'oam'),
    ('members.remove', 'oam'),
    ('users.create', 'oa'),
    ('users.update', 'oa'),
    ('users.delete', 'oa'),
    ('settings.view', 'oam'),
    ('settings.update', 'oa'),
    ('audit.view', 'oam'),
    ('api_keys.view', 'oamu'),
    ('api_keys.create', 'oa'),
    ('api_keys.update', 'oa'),
    ('api_keys.revoke', 'oa'),
    ('api_keys.activate_tech', 'oa'),
    ('api_keys.activate_eco', 'om'),
    ('instances.view', 'oamu'),
    ('instances.use', 'oamu'),
    ('instances.create', 'oa'),
    ('instances.update', 'oa'),
    ('instances.terminate', 'oa'),
    ('instances.reinstall', 'oa'),
    ('instances.activate_tech', 'oa'),
    ('instances.activate_eco', 'om'),
    ('models.view', 'oamu'),
    ('models.use', 'oamu'),
    ('models.create', 'oa'),
    ('models.update', 'oa'),
    ('models.delete', 'oa'),
    ('models.activate_tech', 'oa'),
    ('models.activate_eco', 'om'),
    ('finops.view', 'oam'),
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
INNER JOIN (
    VALUES ('o', 'owner'), ('a', 'admin'), ('m', 'manager'), ('u', 'user')
) AS holder (letter, role)
    ON strpos(m.holders, holder.letter) > 0;

INSERT INTO tenancy.role_delegations (role, delegated_role) VALUES
('owner', 'owner'), ('owner', 'admin'), ('owner', 'manager'), ('owner', 'user'),
('admin', 'admin'), ('admin', 'user'),
('manager', 'manager'), ('manager', 'user');

RESET ROLE;

-- A matrix that a DBA had changed before a revert comes back as it was.
DO $$
BEGIN
    IF to_regclass('tenancy_archive.role_permissions') IS NOT NULL THEN
        DELETE FROM tenancy.role_permissions;
        INSERT INTO tenancy.role_permissions (permission, role)
        SELECT a.permission, a.role FROM tenancy_archive.role_permissions AS a;
        CALL tenancy_private.drop_archived('role_permissions');
    END IF;
    IF to_regclass('tenancy_archive.role_delegations') IS NOT NULL THEN
        DELETE FROM tenancy.role_delegations;
        INSERT INTO tenancy.role_delegations (role, delegated_role)
        SELECT a.role, a.delegated_role FROM tenancy_archive.role_delegations AS a;
        CALL tenancy_private.drop_archived('role_delegations');
    END IF;
END;
$$;
COMMIT;
