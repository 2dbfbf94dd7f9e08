-- Revert pg-tenancy:role_permissions_policies from pg

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.role_permissions', 'tenancy.role_delegations']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change role_permissions left them.
CALL tenancy.drop_policies('tenancy.role_permissions');
CALL tenancy.drop_policies('tenancy.role_delegations');
REVOKE ALL ON tenancy.role_permissions, tenancy.role_delegations
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CREATE POLICY role_permissions_owner ON tenancy.role_permissions
FOR ALL TO tenancy_owner USING (true) WITH CHECK (true);
CREATE POLICY role_delegations_owner ON tenancy.role_delegations
FOR ALL TO tenancy_owner USING (true) WITH CHECK (true);

COMMIT;
