-- Deploy pg-tenancy:kernel/role_permissions_policies to pg
-- requires: kernel/protection

\set change kernel/role_permissions_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise(
    'tenancy.permissions', 'tenancy.role_permissions', 'tenancy.role_delegations'
);

\ir ../../policies/role_permissions.r1.sql

\ir ../../notes/done.psql
COMMIT;
