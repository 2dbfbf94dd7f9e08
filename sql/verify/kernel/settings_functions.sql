-- Verify pg-tenancy:kernel/settings_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.fingerprint(uuid, uuid, text, bytea)',
    'tenancy_private.stored_settings(uuid, uuid, text)',
    'tenancy_private.resolved_settings(uuid, uuid, text)',
    'tenancy_private.setting_of(uuid, text)',
    'tenancy_private.shown(boolean, jsonb, text, text)',
    'tenancy_private.act_on_settings()',
    'tenancy_private.parsed_setting(tenancy.settings_definitions, text)',
    'tenancy_private.write_setting(uuid, uuid, text, jsonb, uuid)',
    'tenancy_private.change_setting(uuid, text, jsonb, bytea, text, bigint)',
    'tenancy.define_setting('
    'text, text, text, jsonb, bigint, bigint, boolean, boolean, uuid[], text)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.settings()',
    'tenancy.setting(uuid, text)',
    'tenancy.explain_setting(uuid, text)',
    'tenancy.set_setting(uuid, text, text, bigint)',
    'tenancy.set_sealed_setting(uuid, text, bytea, text, bigint)',
    'tenancy.unset_setting(uuid, text, bigint)',
    'tenancy.lock_setting(uuid, text, boolean)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routines(
    ARRAY['tenancy.read_secret(uuid, uuid, text)'],
    ARRAY['tenancy_service']
);

ROLLBACK;
