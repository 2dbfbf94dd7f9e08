-- Revert pg-tenancy:kernel/users_policies from pg

\set change kernel/users_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.users');

CALL tenancy.unprotect('public.users');

\ir ../../notes/done.psql
COMMIT;
