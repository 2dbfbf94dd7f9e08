-- Revert pg-tenancy:workspaces_policies from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

-- Closed again, as the change workspaces left it.
CALL tenancy.drop_policies('tenancy.workspaces');
REVOKE ALL ON tenancy.workspaces
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CREATE POLICY workspaces_owner ON tenancy.workspaces
FOR ALL TO tenancy_owner USING (true) WITH CHECK (true);

COMMIT;
