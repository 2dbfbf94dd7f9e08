-- Verify pg-tenancy:platform/finops_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('finops.cost_actual_minute', 'finops.inference_usage');

ROLLBACK;
