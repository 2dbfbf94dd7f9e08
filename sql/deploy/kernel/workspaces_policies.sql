-- Deploy pg-tenancy:kernel/workspaces_policies to pg
-- requires: kernel/protection

\ir ../../adoption/patiently.psql

BEGIN;

CALL pg_temp.patiently(
    ARRAY['tenancy.workspaces']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/workspaces.r1.sql

COMMIT;
