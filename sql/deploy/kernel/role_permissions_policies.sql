-- Deploy pg-tenancy:kernel/role_permissions_policies to pg
-- requires: kernel/protection

BEGIN;

CALL tenancy_private.patiently(
    ARRAY[
        'tenancy.permissions', 'tenancy.role_permissions', 'tenancy.role_delegations'
    ]::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/role_permissions.r1.sql

COMMIT;
