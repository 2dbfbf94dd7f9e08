-- Deploy pg-tenancy:kernel/role_permissions_policies to pg
-- requires: kernel/protection

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY[
        'tenancy.permissions', 'tenancy.role_permissions', 'tenancy.role_delegations'
    ]::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/role_permissions.r1.sql

COMMIT;
