-- Access to public.organization_memberships, revision 1.
--
-- In an organization its memberships, for the roles that hold members.view; in a personal
-- workspace none. Written by functions only, because a policy cannot express who may give which
-- role.
CALL tenancy.protect('public.organization_memberships', key => 'organization_id');
CALL tenancy.allow('public.organization_memberships', 'SELECT', 'members.view', columns =>
    'organization_id, user_id, role, created_at');
