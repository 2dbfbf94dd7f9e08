-- Access to tenancy.audit_log, revision 1.
--
-- The entries of the current workspace, for the roles that hold audit.view,
-- and a person's own. Written by triggers only.
REVOKE ALL ON tenancy.audit_log
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CALL tenancy.drop_policies('tenancy.audit_log');

GRANT SELECT ON tenancy.audit_log
TO tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;

-- Compared as ANY of one, too: PostgreSQL takes that for cheaper than any other
-- comparison and does it first wherever no index is used. Otherwise EXPLAIN ANALYZE
-- would say whether a hidden row had got past a query's own comparisons.
CREATE POLICY audit_log_workspace ON tenancy.audit_log
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    workspace_id = (SELECT tenancy.current_workspace_id())
    AND workspace_id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
)
WITH CHECK (
    workspace_id = (SELECT tenancy.current_workspace_id())
    AND workspace_id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
);

CREATE POLICY audit_log_select ON tenancy.audit_log
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (workspace_id = (SELECT tenancy.workspace_for('audit.view')));

CREATE POLICY audit_log_service ON tenancy.audit_log
FOR SELECT TO tenancy_service
USING (true);

CREATE POLICY audit_log_owner ON tenancy.audit_log
FOR ALL TO tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY audit_log_auditor ON tenancy.audit_log
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('tenancy.audit_log'))
    AND tableoid = 'tenancy.audit_log'::regclass
);

CALL tenancy_private.record_contract('tenancy.audit_log');
