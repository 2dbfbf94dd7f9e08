-- Revert pg-tenancy:owner_access from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

CALL tenancy_private.revoke_from_owner('public.organization_memberships');
CALL tenancy_private.revoke_from_owner('public.organizations');
CALL tenancy_private.revoke_from_owner('public.users');

DROP PROCEDURE tenancy_private.revoke_from_owner(regclass);
DROP PROCEDURE tenancy_private.grant_to_owner(regclass);

COMMIT;
