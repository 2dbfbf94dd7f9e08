-- Deploy pg-tenancy:kernel/audit_log_policies to pg
-- requires: kernel/protection

\set change kernel/audit_log_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('tenancy.audit_log');

\ir ../../policies/audit_log.r1.sql

\ir ../../notes/done.psql
COMMIT;
