-- Revert pg-tenancy:workspaces_policies from pg

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.workspaces']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change workspaces left it.
CALL tenancy.drop_policies('tenancy.workspaces');
REVOKE ALL ON tenancy.workspaces
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CREATE POLICY workspaces_owner ON tenancy.workspaces
FOR ALL TO tenancy_owner USING (true) WITH CHECK (true);

COMMIT;
