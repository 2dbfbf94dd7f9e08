-- Deploy pg-tenancy:kernel/invitations_policies to pg
-- requires: kernel/invitations
-- requires: kernel/protection

BEGIN;

CALL tenancy_private.revise('tenancy.invitations');

\ir ../../policies/invitations.r1.sql

COMMIT;
