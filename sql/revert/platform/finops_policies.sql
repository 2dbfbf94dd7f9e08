-- Revert pg-tenancy:platform/finops_policies from pg

\set change platform/finops_policies
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('finops.cost_actual_minute', 'finops.inference_usage');

CALL tenancy.unprotect('finops.inference_usage');
CALL tenancy.unprotect('finops.cost_actual_minute');

\ir ../../notes/done.psql
COMMIT;
