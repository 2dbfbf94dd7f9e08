-- Verify pg-tenancy:platform/offerings_activation on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_activatable('public.organization_models', 'offering');

ROLLBACK;
