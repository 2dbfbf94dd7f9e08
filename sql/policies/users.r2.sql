-- Access to public.users, revision 2.
--
-- In an organization its members, for the roles that hold members.view; in personal mode
-- oneself; in the platform's workspace everybody. Nobody reads password_hash, and only
-- functions write.
CALL tenancy.protect('public.users', key => 'id', people => 'members');
CALL tenancy.allow('public.users', 'SELECT', NULL, columns =>
    'id, email, username, first_name, last_name, role, created_at, updated_at');
