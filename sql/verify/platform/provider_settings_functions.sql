-- Verify pg-tenancy:platform/provider_settings_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.setting_subjects()',
    'tenancy_private.adopted_settings(uuid, uuid, text)',
    'tenancy_private.provider_settings_hold(uuid)',
    'tenancy_private.write_adopted_setting(uuid, uuid, text, jsonb)',
    'tenancy_private.provider_readiness()',
    'tenancy_private.mirror_definition()'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.provider_status()'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
