-- Access to public.api_keys, revision 1.
--
-- The keys of the current workspace: in an organization the organization's, in
-- personal mode one's own. Made and revoked by functions, because the key has to
-- be hashed and a revocation is for good; the name can be changed here. Nobody
-- who enters a workspace can select key_hash.
REVOKE ALL ON public.api_keys FROM tenancy_app, tenancy_credentialed, tenancy_auditor;
CALL tenancy.drop_policies('public.api_keys');

GRANT SELECT (
    id, user_id, organization_id, workspace_id, name, key_prefix,
    created_at, expires_at, last_used_at, revoked_at
) ON public.api_keys TO tenancy_app, tenancy_credentialed, tenancy_auditor;
GRANT UPDATE (name) ON public.api_keys TO tenancy_app, tenancy_credentialed;

-- Compared as ANY of one, too: PostgreSQL takes that for cheaper than any other
-- comparison and does it first wherever no index is used. Otherwise EXPLAIN ANALYZE
-- would say whether a hidden row had got past a query's own comparisons.
CREATE POLICY api_keys_workspace ON public.api_keys
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    workspace_id = (SELECT tenancy.current_workspace_id())
    AND workspace_id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
)
WITH CHECK (
    workspace_id = (SELECT tenancy.current_workspace_id())
    AND workspace_id = ANY(ARRAY[(SELECT tenancy.current_workspace_id())])
);

CREATE POLICY api_keys_select ON public.api_keys
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (workspace_id = (SELECT tenancy.workspace_for('api_keys.view')));

CREATE POLICY api_keys_update ON public.api_keys
FOR UPDATE TO tenancy_app, tenancy_credentialed
USING (workspace_id = (SELECT tenancy.workspace_for('api_keys.update')))
WITH CHECK (workspace_id = (SELECT tenancy.workspace_for('api_keys.update')));

CREATE POLICY api_keys_service ON public.api_keys
FOR ALL TO tenancy_service, tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY api_keys_auditor ON public.api_keys
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('public.api_keys'))
    AND tableoid = 'public.api_keys'::regclass
);

CALL tenancy_private.record_contract('public.api_keys');
