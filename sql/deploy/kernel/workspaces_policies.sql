-- Deploy pg-tenancy:kernel/workspaces_policies to pg
-- requires: kernel/protection

BEGIN;

CALL tenancy_private.revise('tenancy.workspaces');

\ir ../../policies/workspaces.r1.sql

COMMIT;
