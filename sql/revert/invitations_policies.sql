-- Revert pg-tenancy:invitations_policies from pg

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.invitations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change invitations left it.
CALL tenancy.drop_policies('tenancy.invitations');
REVOKE ALL ON tenancy.invitations
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CREATE POLICY invitations_owner ON tenancy.invitations
FOR ALL TO tenancy_owner USING (true) WITH CHECK (true);

COMMIT;
