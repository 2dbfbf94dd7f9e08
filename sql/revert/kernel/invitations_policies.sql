-- Revert pg-tenancy:kernel/invitations_policies from pg

\set change kernel/invitations_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.invitations');

-- Closed again, as the change invitations left it.
CALL tenancy.unprotect('tenancy.invitations');

\ir ../../notes/done.psql
COMMIT;
