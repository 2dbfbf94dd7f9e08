-- Verify pg-tenancy:kernel/api_keys_policies on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_protected('public.api_keys');

ROLLBACK;
