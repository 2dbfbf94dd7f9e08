-- Revert pg-tenancy:platform/instances_policies from pg

\set change platform/instances_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.instances', 'tenancy.instance_transitions');

CALL tenancy.unprotect('public.instances');

-- As instances_functions left it.
CALL tenancy.unprotect('tenancy.instance_transitions');

\ir ../../notes/done.psql
COMMIT;
