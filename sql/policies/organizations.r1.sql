-- Access to public.organizations, revision 1.
--
-- In an organization its own row, for every member; in a personal workspace none.
-- tenancy.my_organizations() lists those that a person can enter; applications change
-- organizations only by functions.
CALL tenancy.protect('public.organizations', key => 'id');
CALL tenancy.allow('public.organizations', 'SELECT', NULL, columns =>
    'id, name, slug, created_by_user_id, created_at, updated_at');
