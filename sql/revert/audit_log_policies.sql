-- Revert pg-tenancy:audit_log_policies from pg

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.audit_log']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- Closed again, as the change audit_log left it.
CALL tenancy.drop_policies('tenancy.audit_log');
REVOKE ALL ON tenancy.audit_log
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CREATE POLICY audit_log_owner ON tenancy.audit_log
FOR ALL TO tenancy_owner USING (true) WITH CHECK (true);

COMMIT;
