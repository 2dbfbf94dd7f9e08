-- Access to public.users, revision 2: the whole of it.
--
-- In an organization its members, for the roles that hold members.view; in
-- personal mode oneself, and for platform staff everybody. An account belongs to
-- no workspace, so the floor is a list of people and not one equality. Nobody who
-- enters a workspace can select password_hash, or write here: there are
-- functions for that.
REVOKE ALL ON public.users FROM tenancy_app, tenancy_credentialed, tenancy_auditor;
CALL tenancy.drop_policies('public.users');

GRANT SELECT (id, email, username, first_name, last_name, role, created_at, updated_at)
ON public.users TO tenancy_app, tenancy_credentialed, tenancy_auditor;

-- Two conditions on the same index: PostgreSQL looks both up, and the range is
-- empty for everybody but staff.
CREATE POLICY users_workspace ON public.users
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    id = ANY((SELECT tenancy.visible_user_ids())::uuid[])
    OR id BETWEEN (SELECT tenancy.staff_user_id_bound('first')) AND (SELECT tenancy.staff_user_id_bound('last'))
)
WITH CHECK (
    id = ANY((SELECT tenancy.visible_user_ids())::uuid[])
    OR id BETWEEN (SELECT tenancy.staff_user_id_bound('first')) AND (SELECT tenancy.staff_user_id_bound('last'))
);

-- The two conditions are compared before the table is opened, so that an error
-- without a context tells of no row.
CREATE POLICY users_select ON public.users
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (
    tableoid = (SELECT tenancy.table_for('members.view', 'public.users'))
    AND tableoid = 'public.users'::regclass
);

CREATE POLICY users_service ON public.users
FOR ALL TO tenancy_service, tenancy_owner
USING (true)
WITH CHECK (true);

CREATE POLICY users_auditor ON public.users
FOR SELECT TO tenancy_auditor
USING ((SELECT tenancy.record_read('public.users')));
