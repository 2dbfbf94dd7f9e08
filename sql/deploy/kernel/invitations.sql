-- Deploy pg-tenancy:kernel/invitations to pg
-- requires: kernel/audit_log
-- requires: kernel/memberships_functions

\set change kernel/invitations
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- An invitation promises a membership to the holder of the token that was sent to an address.
-- Only a hash of the token is stored, so that a reader of the table, or of a backup, cannot
-- join.
CREATE TABLE tenancy.invitations (
    id                  uuid        NOT NULL DEFAULT gen_random_uuid(),
    organization_id     uuid        NOT NULL,
    email               text        NOT NULL,
    role                text        NOT NULL,
    token_hash          bytea       NOT NULL,
    invited_by_user_id  uuid,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at          timestamptz NOT NULL,
    accepted_at         timestamptz,
    accepted_by_user_id uuid,
    revoked_at          timestamptz,
    lapsed_at           timestamptz,
    CONSTRAINT invitations_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT invitations_role_check CHECK (role IN ('owner', 'admin', 'manager', 'user')),
    CONSTRAINT invitations_token_hash_check CHECK (length(token_hash) = 32),
    CONSTRAINT invitations_expires_at_check CHECK (expires_at > created_at),
    CONSTRAINT invitations_state_check CHECK (
        num_nonnulls(accepted_at, revoked_at, lapsed_at) <= 1
        AND (accepted_by_user_id IS NULL OR accepted_at IS NOT NULL)
    )
);
COMMENT ON TABLE tenancy.invitations IS
'One row for each invitation: the address, the organization, the role, and how it ended.';
COMMENT ON COLUMN tenancy.invitations.email IS
'As entered; looked up in lower case.';
COMMENT ON COLUMN tenancy.invitations.token_hash IS
'SHA-256 of the token. No application role may read it.';
COMMENT ON COLUMN tenancy.invitations.accepted_by_user_id IS
'The account that became a member; NULL after the account was deleted.';
COMMENT ON COLUMN tenancy.invitations.lapsed_at IS
'When another invitation replaced this one, which had expired.';

-- Each contains the workspace's column, so that a tenant's query reaches no entry of another
-- tenant.
CREATE UNIQUE INDEX invitations_token_hash_idx
ON tenancy.invitations (token_hash, organization_id);
CREATE UNIQUE INDEX invitations_pending_idx
ON tenancy.invitations (organization_id, lower(email))
WHERE accepted_at IS NULL AND revoked_at IS NULL AND lapsed_at IS NULL;
CREATE INDEX invitations_invited_by_user_id_idx
ON tenancy.invitations (invited_by_user_id, organization_id);
CREATE INDEX invitations_accepted_by_user_id_idx
ON tenancy.invitations (accepted_by_user_id, organization_id);

-- Closed until invitations_policies opens it.
CALL tenancy_private.close_own_table('tenancy.invitations');

RESET ROLE;

-- Invitations that a revert kept; those that are pending can still be accepted.
DO $$
BEGIN
    IF to_regclass('tenancy_archive.invitations') IS NOT NULL THEN
        INSERT INTO tenancy.invitations (
            id, organization_id, email, role, token_hash, invited_by_user_id, created_at, expires_at,
            accepted_at, accepted_by_user_id, revoked_at, lapsed_at
        )
        SELECT
            a.id, a.organization_id, a.email, a.role, a.token_hash, a.invited_by_user_id, a.created_at, a.expires_at,
            a.accepted_at, a.accepted_by_user_id, a.revoked_at, a.lapsed_at
        FROM tenancy_archive.invitations AS a;
        CALL tenancy_private.drop_archived('invitations');
    END IF;
END;
$$;

-- Tables in use are locked last, so that nobody waits for the above.
CALL tenancy_private.patiently(
    ARRAY['public.users', 'public.organizations']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);

SET LOCAL ROLE tenancy_owner;

-- Applies what has happened since the revert: invitations of deleted
-- organizations are deleted, and deleted people are removed as inviters.
DELETE FROM tenancy.invitations AS i
WHERE NOT EXISTS (SELECT FROM public.organizations AS o WHERE o.id = i.organization_id);
UPDATE tenancy.invitations AS i
SET invited_by_user_id = NULL
WHERE i.invited_by_user_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = i.invited_by_user_id);
UPDATE tenancy.invitations AS i
SET accepted_by_user_id = NULL
WHERE i.accepted_by_user_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = i.accepted_by_user_id);

ALTER TABLE tenancy.invitations
ADD CONSTRAINT invitations_organization_id_fkey FOREIGN KEY (organization_id)
REFERENCES public.organizations (id) ON DELETE CASCADE,
ADD CONSTRAINT invitations_invited_by_user_id_fkey FOREIGN KEY (invited_by_user_id)
REFERENCES public.users (id) ON DELETE SET NULL,
ADD CONSTRAINT invitations_accepted_by_user_id_fkey FOREIGN KEY (accepted_by_user_id)
REFERENCES public.users (id) ON DELETE SET NULL;

-- All but the hash.
CREATE TRIGGER invitations_audit
AFTER INSERT OR UPDATE OR DELETE ON tenancy.invitations
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'invitation', 'organization_id', 'id',
    'email', 'role', 'invited_by_user_id', 'created_at', 'expires_at',
    'accepted_at', 'accepted_by_user_id', 'revoked_at', 'lapsed_at'
);

CALL tenancy_private.record_triggers('tenancy.invitations', 'invitations_audit');

\ir ../../notes/done.psql
COMMIT;
