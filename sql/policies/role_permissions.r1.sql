-- Access to tenancy.role_permissions and tenancy.role_delegations, revision 1.
--
-- Everybody in a workspace may read who can do what. Changes are a DBA's.
REVOKE ALL ON tenancy.role_permissions, tenancy.role_delegations
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CALL tenancy.drop_policies('tenancy.role_permissions');
CALL tenancy.drop_policies('tenancy.role_delegations');

GRANT SELECT ON tenancy.role_permissions, tenancy.role_delegations
TO tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;

CREATE POLICY role_permissions_select ON tenancy.role_permissions
FOR SELECT TO tenancy_app, tenancy_credentialed
USING ((SELECT tenancy.current_workspace_id()) IS NOT NULL);

CREATE POLICY role_permissions_service ON tenancy.role_permissions
FOR SELECT TO tenancy_service
USING (true);

CREATE POLICY role_permissions_auditor ON tenancy.role_permissions
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('tenancy.role_permissions'))
    AND tableoid = 'tenancy.role_permissions'::regclass
);

CREATE POLICY role_permissions_owner ON tenancy.role_permissions
FOR ALL TO tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY role_delegations_select ON tenancy.role_delegations
FOR SELECT TO tenancy_app, tenancy_credentialed
USING ((SELECT tenancy.current_workspace_id()) IS NOT NULL);

CREATE POLICY role_delegations_service ON tenancy.role_delegations
FOR SELECT TO tenancy_service
USING (true);

CREATE POLICY role_delegations_auditor ON tenancy.role_delegations
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('tenancy.role_delegations'))
    AND tableoid = 'tenancy.role_delegations'::regclass
);

CREATE POLICY role_delegations_owner ON tenancy.role_delegations
FOR ALL TO tenancy_owner
USING (true)
WITH CHECK (true);

CALL tenancy_private.record_contract('tenancy.role_permissions');
CALL tenancy_private.record_contract('tenancy.role_delegations');
