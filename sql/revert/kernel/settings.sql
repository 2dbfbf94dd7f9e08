-- Revert pg-tenancy:kernel/settings from pg

\set change kernel/settings
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces', 'tenancy.settings', 'tenancy_private.secrets']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

-- Secrets are kept too, in a schema to which nobody has access. The key of the fingerprints is
-- not: the next deploy creates another.
DO $$
DECLARE
    kept regclass;
    has_rows boolean;
BEGIN
    FOREACH kept IN ARRAY ARRAY[
        'tenancy.settings_definitions', 'tenancy.settings', 'tenancy_private.setting_locks', 'tenancy_private.secrets'
    ]::regclass[] LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', kept) INTO has_rows;
        IF has_rows THEN
            CALL tenancy_private.archive_table(kept);
        END IF;
        CALL tenancy_private.forget_contract(kept);
    END LOOP;
    IF to_regclass('tenancy_archive.secrets') IS NOT NULL THEN
        ALTER TABLE tenancy_archive.secrets ALTER COLUMN value SET STATISTICS 0;
    END IF;
END;
$$;

DROP TABLE tenancy_private.secrets;
DROP TABLE tenancy_private.setting_locks;
DROP TABLE tenancy.settings;
DROP TABLE tenancy.settings_definitions;
CALL tenancy_private.forget_contract('tenancy_private.fingerprint_keys');
DROP TABLE tenancy_private.fingerprint_keys;

\ir ../../notes/done.psql
COMMIT;
