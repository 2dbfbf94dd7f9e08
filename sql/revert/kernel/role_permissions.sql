-- Revert pg-tenancy:kernel/role_permissions from pg

\set change kernel/role_permissions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- A matrix that differs from the deploy's was changed by somebody, and is kept.
DO $$
BEGIN
    IF (
        SELECT md5(string_agg(p.permission || ' ' || p.role, ',' ORDER BY p.permission COLLATE "C", p.role COLLATE "C"))
        FROM tenancy.role_permissions AS p
    ) IS DISTINCT FROM '041f2e1ac0cf0326f31b625aa92034b5' THEN
        CALL tenancy_private.archive_table('tenancy.role_permissions');
    END IF;
    IF (
        SELECT md5(string_agg(d.role || ' ' || d.delegated_role, ',' ORDER BY d.role COLLATE "C", d.delegated_role COLLATE "C"))
        FROM tenancy.role_delegations AS d
    ) IS DISTINCT FROM '9aa8d057937f68a8e2cdd11722d53480' THEN
        CALL tenancy_private.archive_table('tenancy.role_delegations');
    END IF;
END;
$$;

CALL tenancy_private.forget_contract('tenancy.role_delegations');
DROP TABLE tenancy.role_delegations;
DROP FUNCTION tenancy.define_permission(text, text[]);
CALL tenancy_private.forget_contract('tenancy.role_permissions');
DROP TABLE tenancy.role_permissions;
CALL tenancy_private.forget_contract('tenancy.permissions');
DROP TABLE tenancy.permissions;
DROP FUNCTION tenancy_private.refresh_role_bits();
CALL tenancy_private.forget_contract('tenancy_private.role_bits');
DROP TABLE tenancy_private.role_bits;

\ir ../../notes/done.psql
COMMIT;
