-- Verify pg-tenancy:platform/provider_settings_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('public.provider_settings');

ROLLBACK;
