-- Deploy pg-tenancy:kernel/role_permissions_policies to pg
-- requires: kernel/protection

BEGIN;

CALL tenancy_private.revise(
    'tenancy.permissions', 'tenancy.role_permissions', 'tenancy.role_delegations'
);

\ir ../../policies/role_permissions.r1.sql

COMMIT;
