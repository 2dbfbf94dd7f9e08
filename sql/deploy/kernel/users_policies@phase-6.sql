-- Deploy pg-tenancy:kernel/users_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

\set change kernel/users_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.users');

\ir ../../policies/users.r1.sql

\ir ../../notes/done.psql
COMMIT;
