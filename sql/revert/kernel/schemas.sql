-- Revert pg-tenancy:kernel/schemas from pg

\set change kernel/schemas
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

REVOKE USAGE ON SCHEMA tenancy FROM
tenancy_credentialed, tenancy_service, tenancy_legacy, tenancy_auditor;
DROP SCHEMA tenancy;

\ir ../../notes/done.psql
COMMIT;
