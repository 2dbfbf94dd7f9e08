-- Deploy pg-tenancy:kernel/invitations_policies to pg
-- requires: kernel/invitations
-- requires: kernel/protection

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.invitations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/invitations.r1.sql

COMMIT;
