-- Revert pg-tenancy:audit_log_policies from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

-- Closed again, as the change audit_log left it.
CALL tenancy.drop_policies('tenancy.audit_log');
REVOKE ALL ON tenancy.audit_log
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CREATE POLICY audit_log_owner ON tenancy.audit_log
FOR ALL TO tenancy_owner USING (true) WITH CHECK (true);

COMMIT;
