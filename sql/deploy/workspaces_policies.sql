-- Deploy pg-tenancy:workspaces_policies to pg
-- requires: workspaces
-- requires: audit_log

BEGIN;

SET LOCAL lock_timeout = '2s';

\ir ../policies/workspaces.r1.sql

COMMIT;
