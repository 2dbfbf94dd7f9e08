-- Revert pg-tenancy:kernel/invitations_functions from pg

\set change kernel/invitations_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.peek_invitation(text);
DROP FUNCTION tenancy.accept_invitation(text, text, text, text, text);
DROP FUNCTION tenancy_private.refuse_invitation();
DROP FUNCTION tenancy.revoke_invitation(uuid);
DROP FUNCTION tenancy.invitations();
DROP FUNCTION tenancy.invite_member(text, text, interval);
DROP FUNCTION tenancy_private.token_hash(text);
DROP FUNCTION tenancy_private.invitation_status(
    timestamptz, timestamptz, timestamptz, timestamptz, timestamptz
);

\ir ../../notes/done.psql
COMMIT;
