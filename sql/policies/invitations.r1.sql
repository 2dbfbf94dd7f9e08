-- Access to tenancy.invitations, revision 1.
--
-- In an organization its invitations, for the roles that hold members.invite; in a
-- personal workspace none. Written by functions only. Nobody reads a token's hash.
CALL tenancy.protect('tenancy.invitations', key => 'organization_id');
CALL tenancy.allow('tenancy.invitations', 'SELECT', 'members.invite', columns =>
    'id, organization_id, email, role, invited_by_user_id, created_at, expires_at, accepted_at, '
    'accepted_by_user_id, revoked_at, lapsed_at');
GRANT SELECT (
    id, organization_id, email, role, invited_by_user_id, created_at, expires_at, accepted_at,
    accepted_by_user_id, revoked_at, lapsed_at
) ON tenancy.invitations TO tenancy_service;
CALL tenancy_private.record_contract('tenancy.invitations');
