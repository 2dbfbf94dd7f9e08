-- Verify pg-tenancy:kernel/role_permissions_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected(
    'tenancy.permissions', 'tenancy.role_permissions', 'tenancy.role_delegations'
);

ROLLBACK;
