-- Access to public.users, revision 2.
--
-- In an organization its members, for the roles that hold members.view; in
-- personal mode oneself, and for platform staff everybody. An account belongs to
-- no workspace, so the floor is a list of people and not one equality. Nobody who
-- enters a workspace can select password_hash, or write here: there are functions
-- for that.
REVOKE ALL ON public.users FROM tenancy_app, tenancy_credentialed, tenancy_auditor;
CALL tenancy.drop_policies('public.users');

GRANT SELECT (id, email, username, first_name, last_name, role, created_at, updated_at)
ON public.users TO tenancy_app, tenancy_credentialed, tenancy_auditor;

-- A function that PostgreSQL takes for cheaper than any comparison, and so looks at
-- first wherever no index is used. Otherwise EXPLAIN ANALYZE would say whether a
-- hidden row had got past a query's own comparisons.
CREATE POLICY users_workspace ON public.users
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    CASE
        WHEN (SELECT tenancy.sees_all_users()) THEN true
        ELSE tenancy.is_listed(id, (SELECT tenancy.visible_user_ids()))
    END
)
WITH CHECK (
    CASE
        WHEN (SELECT tenancy.sees_all_users()) THEN true
        ELSE tenancy.is_listed(id, (SELECT tenancy.visible_user_ids()))
    END
);

-- The array is a condition on the index with which every query's own ids are looked
-- up, so that no hidden row is reached and counted; nothing may stand beside it
-- with an OR. The last two conditions are compared before the table is opened, so
-- that an error without a context tells of no row.
CREATE POLICY users_select ON public.users
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (
    id = ANY((SELECT tenancy.visible_user_ids())::uuid[])
    AND tableoid = (SELECT tenancy.table_for('members.view', 'public.users'))
    AND tableoid = 'public.users'::regclass
);

CREATE POLICY users_service ON public.users
FOR ALL TO tenancy_service, tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY users_auditor ON public.users
FOR SELECT TO tenancy_auditor
USING (
    tableoid = (SELECT tenancy.record_read('public.users'))
    AND tableoid = 'public.users'::regclass
);

CALL tenancy_private.record_contract('public.users');
