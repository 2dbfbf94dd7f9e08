-- Deploy pg-tenancy:kernel/organization_memberships_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

\set change kernel/organization_memberships_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.organization_memberships');

\ir ../../policies/organization_memberships.r1.sql

CALL tenancy_private.tell_closed_columns('public.organization_memberships');
CALL tenancy_private.tell_unprotected();

\ir ../../notes/done.psql
COMMIT;
