-- Revert pg-tenancy:kernel/organizations_policies from pg

\set change kernel/organizations_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.organizations');

CALL tenancy.unprotect('public.organizations');

\ir ../../notes/done.psql
COMMIT;
