-- Deploy pg-tenancy:kernel/organizations_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

\set change kernel/organizations_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.organizations');

\ir ../../policies/organizations.r1.sql

CALL tenancy_private.tell_closed_columns('public.organizations');

\ir ../../notes/done.psql
COMMIT;
