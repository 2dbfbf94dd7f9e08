-- Revert pg-tenancy:kernel/users_policies from pg

\set change kernel/users_policies@2
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.users');

\ir ../../policies/users.r1.sql

\ir ../../notes/done.psql
COMMIT;
