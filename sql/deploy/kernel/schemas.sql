-- Deploy pg-tenancy:kernel/schemas to pg
-- requires: kernel/base_tables
-- requires: kernel/foreign_keys

BEGIN;

SET LOCAL lock_timeout = '2s';

-- What applications call, and what they may look at.
CREATE SCHEMA tenancy AUTHORIZATION tenancy_owner;
COMMENT ON SCHEMA tenancy IS 'Workspaces, the sealed session context, and the functions that applications call.';

-- Keys and inner workings. Nobody but the owner gets USAGE, so a grant on an
-- object in here, should one ever be made by mistake, still opens nothing.
CREATE SCHEMA tenancy_private AUTHORIZATION tenancy_owner;
COMMENT ON SCHEMA tenancy_private IS 'Keys and inner workings of pg-tenancy. No application role may look in.';

GRANT USAGE ON SCHEMA tenancy TO tenancy_credentialed, tenancy_service, tenancy_auditor;

COMMIT;
