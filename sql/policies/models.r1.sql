-- Access to public.models, revision 1.
--
-- Public models are seen from everywhere, an organization's from nowhere but there.
-- Public ones are written by platform staff in their own workspace. The policies for
-- writing reach every row that can be seen, so that the trigger models_platform can
-- say why; what is written must be the organization's, or staff's to write.
REVOKE ALL ON public.models FROM tenancy_app, tenancy_credentialed, tenancy_auditor;
CALL tenancy.drop_policies('public.models');

GRANT SELECT ON public.models TO tenancy_app, tenancy_credentialed, tenancy_auditor;
GRANT
INSERT (name, model_id, required_vram_gb, context_length, is_active, metadata),
UPDATE (name, model_id, required_vram_gb, context_length, is_active, metadata),
DELETE
ON public.models TO tenancy_app, tenancy_credentialed;

-- Compared as ANY of one, too: PostgreSQL takes that for cheaper than any other
-- comparison and does it first wherever no index is used. Otherwise EXPLAIN ANALYZE
-- would say whether a hidden row had got past a query's own comparisons. Rows of
-- the platform may get past this one: everybody may see them, here or in the own
-- workspace.
CREATE POLICY models_workspace ON public.models
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    workspace_id = ANY((SELECT tenancy.workspaces_for(NULL, 'always'))::uuid[])
    AND workspace_id = ANY(ARRAY[
        CASE
            WHEN organization_id IS NULL THEN workspace_id
            ELSE (SELECT tenancy.current_workspace_id())
        END
    ])
)
WITH CHECK (
    workspace_id = ANY((SELECT tenancy.workspaces_for(NULL, 'always'))::uuid[])
    AND workspace_id = ANY(ARRAY[
        CASE
            WHEN organization_id IS NULL THEN workspace_id
            ELSE (SELECT tenancy.current_workspace_id())
        END
    ])
);

-- The last two conditions are compared before the table is opened, so that an
-- error without a context tells of no row.
CREATE POLICY models_select ON public.models
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (
    workspace_id = ANY((SELECT tenancy.workspaces_for('models.view', 'always'))::uuid[])
    AND tableoid = (SELECT tenancy.table_for('models.view', 'public.models'))
    AND tableoid = 'public.models'::regclass
);

CREATE POLICY models_insert ON public.models
FOR INSERT TO tenancy_app, tenancy_credentialed
WITH CHECK (workspace_id = ANY((SELECT tenancy.workspaces_for('models.create', 'staff'))::uuid[]));

CREATE POLICY models_update ON public.models
FOR UPDATE TO tenancy_app, tenancy_credentialed
USING (workspace_id = ANY((SELECT tenancy.workspaces_for('models.update', 'always'))::uuid[]))
WITH CHECK (workspace_id = ANY((SELECT tenancy.workspaces_for('models.update', 'staff'))::uuid[]));

CREATE POLICY models_delete ON public.models
FOR DELETE TO tenancy_app, tenancy_credentialed
USING (workspace_id = ANY((SELECT tenancy.workspaces_for('models.delete', 'always'))::uuid[]));

CREATE POLICY models_service ON public.models
FOR ALL TO tenancy_service, tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY models_auditor ON public.models
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('public.models'))
    AND tableoid = 'public.models'::regclass
);

CALL tenancy_private.record_contract('public.models');
