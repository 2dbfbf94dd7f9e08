-- Access to public.instances and tenancy.instance_transitions, revision 1.
--
-- In an organization its instances. In personal mode one's own, and to read the
-- ones from before, which belong to the platform: its staff change them. The
-- policies for writing reach every row that can be seen, so that the trigger
-- instances_platform can say why; what is written must be one's own. Instances
-- are terminated, not deleted.
REVOKE ALL ON public.instances FROM tenancy_app, tenancy_credentialed, tenancy_auditor;
REVOKE ALL ON tenancy.instance_transitions
FROM tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;
CALL tenancy.drop_policies('public.instances');
CALL tenancy.drop_policies('tenancy.instance_transitions');

GRANT SELECT ON public.instances TO tenancy_app, tenancy_credentialed, tenancy_auditor;
GRANT INSERT (
    provider_id, model_id, status, ip_address, gpu_profile, hourly_price_eur, terminated_at
) ON public.instances TO tenancy_app, tenancy_credentialed;
GRANT UPDATE (model_id, status, ip_address, gpu_profile)
ON public.instances TO tenancy_app, tenancy_credentialed;

-- Compared as ANY of one, too: PostgreSQL takes that for cheaper than any other
-- comparison and does it first wherever no index is used. Otherwise EXPLAIN ANALYZE
-- would say whether a hidden row had got past a query's own comparisons. Rows of
-- the platform may get past this one: everybody may see them, here or in the own
-- workspace.
CREATE POLICY instances_workspace ON public.instances
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    workspace_id = ANY((SELECT tenancy.workspaces_for(NULL, 'personal'))::uuid[])
    AND workspace_id = ANY(ARRAY[
        CASE
            WHEN organization_id IS NULL AND user_id IS NULL THEN workspace_id
            ELSE (SELECT tenancy.current_workspace_id())
        END
    ])
)
WITH CHECK (
    workspace_id = ANY((SELECT tenancy.workspaces_for(NULL, 'personal'))::uuid[])
    AND workspace_id = ANY(ARRAY[
        CASE
            WHEN organization_id IS NULL AND user_id IS NULL THEN workspace_id
            ELSE (SELECT tenancy.current_workspace_id())
        END
    ])
);

-- The last two conditions are compared before the table is opened, so that an
-- error without a context tells of no row.
CREATE POLICY instances_select ON public.instances
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (
    workspace_id = ANY((SELECT tenancy.workspaces_for('instances.view', 'personal'))::uuid[])
    AND tableoid = (SELECT tenancy.table_for('instances.view', 'public.instances'))
    AND tableoid = 'public.instances'::regclass
);

CREATE POLICY instances_insert ON public.instances
FOR INSERT TO tenancy_app, tenancy_credentialed
WITH CHECK (workspace_id = (SELECT tenancy.workspace_for('instances.create')));

CREATE POLICY instances_update ON public.instances
FOR UPDATE TO tenancy_app, tenancy_credentialed
USING (workspace_id = ANY((SELECT tenancy.workspaces_for('instances.update', 'personal'))::uuid[]))
WITH CHECK (
    workspace_id = ANY((SELECT tenancy.workspaces_for('instances.update', 'staff'))::uuid[])
);

CREATE POLICY instances_service ON public.instances
FOR ALL TO tenancy_service, tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY instances_auditor ON public.instances
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('public.instances'))
    AND tableoid = 'public.instances'::regclass
);

-- Everybody in a workspace may read which state allows what. Changes are a DBA's.
GRANT SELECT ON tenancy.instance_transitions
TO tenancy_app, tenancy_credentialed, tenancy_service, tenancy_auditor;

CREATE POLICY instance_transitions_select ON tenancy.instance_transitions
FOR SELECT TO tenancy_app, tenancy_credentialed
USING ((SELECT tenancy.current_workspace_id()) IS NOT NULL);

CREATE POLICY instance_transitions_service ON tenancy.instance_transitions
FOR SELECT TO tenancy_service
USING (true);

CREATE POLICY instance_transitions_owner ON tenancy.instance_transitions
FOR ALL TO tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY instance_transitions_auditor ON tenancy.instance_transitions
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('tenancy.instance_transitions'))
    AND tableoid = 'tenancy.instance_transitions'::regclass
);

CALL tenancy_private.record_contract('public.instances');
CALL tenancy_private.record_contract('tenancy.instance_transitions');
