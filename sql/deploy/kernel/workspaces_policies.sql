-- Deploy pg-tenancy:kernel/workspaces_policies to pg
-- requires: kernel/protection

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

\ir ../../policies/workspaces.r1.sql

COMMIT;
