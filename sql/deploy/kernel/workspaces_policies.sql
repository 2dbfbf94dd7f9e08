-- Deploy pg-tenancy:kernel/workspaces_policies to pg
-- requires: kernel/protection

\set change kernel/workspaces_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.workspaces');

\ir ../../policies/workspaces.r1.sql

-- purge_organization() and delete_user() empty a workspace as this role.
GRANT SELECT, DELETE ON tenancy.workspaces TO tenancy_writer;

\ir ../../notes/done.psql
COMMIT;
