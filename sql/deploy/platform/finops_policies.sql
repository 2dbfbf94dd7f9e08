-- Deploy pg-tenancy:platform/finops_policies to pg
-- requires: platform/finops_functions

\set change platform/finops_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('finops.cost_actual_minute', 'finops.inference_usage');

\ir ../../policies/cost_actual_minute.r1.sql
\ir ../../policies/inference_usage.r1.sql

\ir ../../notes/done.psql
COMMIT;
