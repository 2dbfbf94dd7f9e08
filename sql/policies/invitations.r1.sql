-- Access to tenancy.invitations, revision 1.
--
-- In an organization its invitations, for the roles that hold members.invite;
-- in a personal workspace none. Nobody reads the hash of a token, and nobody
-- writes but by the functions: who may promise which role is more than a policy
-- can say.
REVOKE ALL ON tenancy.invitations
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CALL tenancy.drop_policies('tenancy.invitations');

GRANT SELECT (
    id, organization_id, email, role, invited_by_user_id, created_at, expires_at, accepted_at,
    accepted_by_user_id, revoked_at, lapsed_at
)
ON tenancy.invitations TO tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;

-- Compared as ANY of one, too: PostgreSQL takes that for cheaper than any other
-- comparison and does it first wherever no index is used. Otherwise EXPLAIN ANALYZE
-- would say whether a hidden row had got past a query's own comparisons.
CREATE POLICY invitations_workspace ON tenancy.invitations
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    organization_id = (SELECT tenancy.current_workspace_id())
    AND organization_id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
)
WITH CHECK (
    organization_id = (SELECT tenancy.current_workspace_id())
    AND organization_id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
);

CREATE POLICY invitations_select ON tenancy.invitations
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (organization_id = (SELECT tenancy.workspace_for('members.invite')));

CREATE POLICY invitations_service ON tenancy.invitations
FOR SELECT TO tenancy_service
USING (true);

CREATE POLICY invitations_owner ON tenancy.invitations
FOR ALL TO tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY invitations_auditor ON tenancy.invitations
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('tenancy.invitations'))
    AND tableoid = 'tenancy.invitations'::regclass
);

CALL tenancy_private.record_contract('tenancy.invitations');
