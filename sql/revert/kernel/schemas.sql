-- Revert pg-tenancy:kernel/schemas from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

REVOKE USAGE ON SCHEMA tenancy FROM
tenancy_credentialed, tenancy_service, tenancy_auditor;
DROP SCHEMA tenancy_private;
DROP SCHEMA tenancy;

COMMIT;
