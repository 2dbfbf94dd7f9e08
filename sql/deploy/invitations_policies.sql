-- Deploy pg-tenancy:invitations_policies to pg
-- requires: invitations
-- requires: protection

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.invitations']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../policies/invitations.r1.sql

COMMIT;
