-- Access to public.api_keys, revision 1.
--
-- In an organization the organization's keys, in personal mode one's own. Functions create and
-- revoke keys, because a key must be hashed and a revocation is final; people can change the
-- name here. Nobody reads key_hash.
CALL tenancy.protect('public.api_keys');
CALL tenancy.allow('public.api_keys', 'SELECT', 'api_keys.view', columns =>
    'id, user_id, organization_id, name, key_prefix, created_at, expires_at, last_used_at, '
    'revoked_at');
CALL tenancy.allow('public.api_keys', 'UPDATE', 'api_keys.update', person => true, columns =>
    'name');
