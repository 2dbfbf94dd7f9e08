-- Deploy pg-tenancy:kernel/users_policies to pg
-- requires: kernel/users_policies@phase-6
-- requires: kernel/users_functions

\set change kernel/users_policies@2
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.users');

\ir ../../policies/users.r2.sql

CALL tenancy_private.tell_unprotected();

\ir ../../notes/done.psql
COMMIT;
