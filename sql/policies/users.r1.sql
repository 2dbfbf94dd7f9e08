-- Access to public.users, revision 1.
--
-- A person sees the own account, in every workspace. The people of an
-- organization are listed by tenancy.members(). Nobody who enters a workspace
-- can select password_hash, or write here.
REVOKE ALL ON public.users FROM tenancy_app, tenancy_credentialed, tenancy_auditor;
CALL tenancy.drop_policies('public.users');

GRANT SELECT (id, email, username, first_name, last_name, role, created_at, updated_at)
ON public.users TO tenancy_app, tenancy_credentialed, tenancy_auditor;

CREATE POLICY users_workspace ON public.users
AS RESTRICTIVE FOR ALL TO tenancy_app, tenancy_credentialed
USING (
    id = (SELECT tenancy.current_user_id())
    AND id = ANY(ARRAY[(SELECT tenancy.current_user_id())])
)
WITH CHECK (
    id = (SELECT tenancy.current_user_id())
    AND id = ANY(ARRAY[(SELECT tenancy.current_user_id())])
);

-- Asked in other words than above on purpose: PostgreSQL would fold two equal
-- conditions into one, and it is the comparison of two that is made before the
-- table is opened, so that an error without a context tells of no row.
CREATE POLICY users_select ON public.users
FOR SELECT TO tenancy_app, tenancy_credentialed
USING (id = (SELECT tenancy.current_user_id() LIMIT 1));

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
