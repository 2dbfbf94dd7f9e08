-- Deploy pg-tenancy:kernel/invitations_policies to pg
-- requires: kernel/invitations
-- requires: kernel/protection

\set change kernel/invitations_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.invitations');

\ir ../../policies/invitations.r1.sql

\ir ../../notes/done.psql
COMMIT;
