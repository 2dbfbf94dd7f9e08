-- Access to public.organization_memberships, revision 1.
--
-- In an organization its memberships, for the roles that hold members.view; in
-- a personal workspace none. Written by functions only: a role is a right, and
-- who may give which is more than a policy can say.
REVOKE ALL ON public.organization_memberships
FROM tenancy_app, tenancy_credentialed, tenancy_auditor;
CALL tenancy.drop_policies('public.organization_memberships');

GRANT SELECT (organization_id, user_id, role, created_at)
ON public.organization_memberships TO tenancy_app, tenancy_credentialed, tenancy_auditor;

-- Compared as ANY of one, too: PostgreSQL takes that for cheaper than any other
-- comparison and does it first wherever no index is used. Otherwise EXPLAIN ANALYZE
-- would say whether a hidden row had got past a query's own comparisons.
CREATE POLICY organization_memberships_workspace ON public.organization_memberships
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    organization_id = (SELECT tenancy.current_workspace_id())
    AND organization_id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
)
WITH CHECK (
    organization_id = (SELECT tenancy.current_workspace_id())
    AND organization_id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
);

CREATE POLICY organization_memberships_select ON public.organization_memberships
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (organization_id = (SELECT tenancy.workspace_for('members.view')));

CREATE POLICY organization_memberships_service ON public.organization_memberships
FOR ALL TO tenancy_service, tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY organization_memberships_auditor ON public.organization_memberships
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('public.organization_memberships'))
    AND tableoid = 'public.organization_memberships'::regclass
);

CALL tenancy_private.record_contract('public.organization_memberships');
