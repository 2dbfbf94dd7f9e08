-- Access to tenancy.workspaces, revision 1.
--
-- The current workspace's own row. A service sees all and changes color and
-- plan; who is deleted is for tenancy.delete_organization() and its way back.
REVOKE ALL ON tenancy.workspaces
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CALL tenancy.drop_policies('tenancy.workspaces');

GRANT SELECT (id, kind, user_id, organization_id, color, plan, created_at, deleted_at)
ON tenancy.workspaces TO tenancy_app, tenancy_credentialed, tenancy_auditor;
GRANT SELECT, UPDATE (color, plan) ON tenancy.workspaces TO tenancy_service;

-- Compared as ANY of one, too: PostgreSQL takes that for cheaper than any other
-- comparison and does it first wherever no index is used. Otherwise EXPLAIN ANALYZE
-- would say whether a hidden row had got past a query's own comparisons.
CREATE POLICY workspaces_workspace ON tenancy.workspaces
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    id = (SELECT tenancy.current_workspace_id())
    AND id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
)
WITH CHECK (
    id = (SELECT tenancy.current_workspace_id())
    AND id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
);

-- Asked in other words than above on purpose: PostgreSQL would fold two equal
-- conditions into one, and it is the comparison of two that is made before the
-- table is opened, so that an error without a context tells of no row.
CREATE POLICY workspaces_select ON tenancy.workspaces
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (id = (SELECT tenancy.workspace_for(NULL)));

CREATE POLICY workspaces_service ON tenancy.workspaces
FOR ALL TO tenancy_service, tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY workspaces_auditor ON tenancy.workspaces
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('tenancy.workspaces'))
    AND tableoid = 'tenancy.workspaces'::regclass
);

CALL tenancy_private.record_contract('tenancy.workspaces');
