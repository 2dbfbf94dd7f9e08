-- Verify pg-tenancy:kernel/settings on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY[
        'fingerprint_keys_id_check', 'fingerprint_keys_pkey', 'secrets_pkey', 'secrets_workspace_id_fkey',
        'setting_locks_pkey', 'settings_definitions_default_value_check', 'settings_definitions_pkey',
        'settings_definitions_range_check', 'settings_definitions_scope_check',
        'settings_definitions_value_type_check', 'settings_pkey', 'settings_workspace_id_fkey'
    ];
    found CONSTANT text[] := ARRAY(
        SELECT c.conname::text FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid IN (
                'tenancy.settings'::regclass, 'tenancy.settings_definitions'::regclass,
                'tenancy_private.secrets'::regclass, 'tenancy_private.setting_locks'::regclass,
                'tenancy_private.fingerprint_keys'::regclass
            )
            AND c.contype <> 'n' AND c.convalidated
        ORDER BY c.conname::text COLLATE "C"
    );
BEGIN
    -- A constraint on a secret would reveal something about it.
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'the tables of settings have the constraints %, wanted %', found, wanted;
    END IF;
    IF NOT (
        SELECT c.relrowsecurity AND c.relforcerowsecurity FROM pg_catalog.pg_class AS c
        WHERE c.oid = 'tenancy_private.secrets'::regclass
    ) THEN
        RAISE EXCEPTION 'row-level security of tenancy_private.secrets is not enabled and forced';
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'tenancy_private.secrets'::regclass AND NOT t.tgisinternal
    ) THEN
        RAISE EXCEPTION 'tenancy_private.secrets has a trigger, which sees the values';
    END IF;
    IF (SELECT count(*) FROM tenancy_private.fingerprint_keys) <> 1 THEN
        RAISE EXCEPTION 'the key of the fingerprints is missing';
    END IF;
END;
$$;

ROLLBACK;
