-- Deploy pg-tenancy:workspaces_policies to pg
-- requires: protection

\ir ../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.workspaces']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../policies/workspaces.r1.sql

COMMIT;
