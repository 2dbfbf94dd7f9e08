-- Revert pg-tenancy:platform/models_policies from pg

\set change platform/models_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.models');

CALL tenancy.unprotect('public.models');

\ir ../../notes/done.psql
COMMIT;
