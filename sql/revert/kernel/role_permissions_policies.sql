-- Revert pg-tenancy:kernel/role_permissions_policies from pg

\set change kernel/role_permissions_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise(
    'tenancy.permissions', 'tenancy.role_permissions', 'tenancy.role_delegations'
);

-- Closed again, as the change role_permissions left them.
CALL tenancy.unprotect('tenancy.permissions');
CALL tenancy.unprotect('tenancy.role_permissions');
CALL tenancy.unprotect('tenancy.role_delegations');

\ir ../../notes/done.psql
COMMIT;
