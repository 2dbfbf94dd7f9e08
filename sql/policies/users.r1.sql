-- Access to public.users, revision 1.
--
-- A person sees their own account, in every workspace. The people of an organization are listed
-- by tenancy.members(). Nobody reads password_hash, and only functions write.
CALL tenancy.protect('public.users', key => 'id', people => 'self');
CALL tenancy.allow('public.users', 'SELECT', NULL, columns =>
    'id, email, username, first_name, last_name, role, created_at, updated_at');
