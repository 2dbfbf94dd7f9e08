-- Deploy pg-tenancy:kernel/invitations_policies to pg
-- requires: kernel/invitations
-- requires: kernel/protection

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.invitations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/invitations.r1.sql

COMMIT;
