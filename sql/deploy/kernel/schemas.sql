-- Deploy pg-tenancy:kernel/schemas to pg
-- requires: kernel/base_tables
-- requires: kernel/foreign_keys

\set change kernel/schemas
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- Functions that applications call, and tables that they may read.
CREATE SCHEMA tenancy AUTHORIZATION tenancy_owner;
COMMENT ON SCHEMA tenancy IS 'Workspaces, the sealed session context, and the functions that applications call.';

GRANT USAGE ON SCHEMA tenancy
TO tenancy_credentialed, tenancy_service, tenancy_legacy, tenancy_auditor;

\ir ../../notes/done.psql
COMMIT;
