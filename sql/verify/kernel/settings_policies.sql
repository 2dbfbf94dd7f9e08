-- Verify pg-tenancy:kernel/settings_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('tenancy.settings', 'tenancy.settings_definitions');

ROLLBACK;
