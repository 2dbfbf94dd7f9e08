-- Access to public.organizations, revision 1.
--
-- In an organization its own row, for every member; in a personal workspace
-- none. tenancy.my_organizations() lists what a person can enter, and the
-- functions beside it are the only way for an application to change one.
REVOKE ALL ON public.organizations FROM tenancy_app, tenancy_credentialed, tenancy_auditor;
CALL tenancy.drop_policies('public.organizations');

GRANT SELECT (id, name, slug, created_by_user_id, created_at, updated_at)
ON public.organizations TO tenancy_app, tenancy_credentialed, tenancy_auditor;

-- Compared as ANY of one, too: PostgreSQL takes that for cheaper than any other
-- comparison and does it first wherever no index is used. Otherwise EXPLAIN ANALYZE
-- would say whether a hidden row had got past a query's own comparisons.
CREATE POLICY organizations_workspace ON public.organizations
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
CREATE POLICY organizations_select ON public.organizations
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (id = (SELECT tenancy.workspace_for(NULL)));

CREATE POLICY organizations_service ON public.organizations
FOR ALL TO tenancy_service, tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY organizations_auditor ON public.organizations
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('public.organizations'))
    AND tableoid = 'public.organizations'::regclass
);

CALL tenancy_private.record_contract('public.organizations');
