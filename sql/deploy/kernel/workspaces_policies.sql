-- Deploy pg-tenancy:kernel/workspaces_policies to pg
-- requires: kernel/protection

\set change kernel/workspaces_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.workspaces');

\ir ../../policies/workspaces.r1.sql

\ir ../../notes/done.psql
COMMIT;
