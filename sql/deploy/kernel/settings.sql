-- Deploy pg-tenancy:kernel/settings to pg
-- requires: kernel/workspaces
-- requires: kernel/seal_keys
-- requires: kernel/audit_log

\set change kernel/settings
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The settings that exist. A workspace's value overrides the platform's, which overrides the
-- default.
CREATE TABLE tenancy.settings_definitions (
    key           text    NOT NULL,
    scope         text    NOT NULL DEFAULT 'organization',
    value_type    text    NOT NULL,
    min_int       bigint,
    max_int       bigint,
    default_value jsonb,
    is_secret     boolean NOT NULL DEFAULT false,
    is_required   boolean NOT NULL DEFAULT false,
    subjects      uuid[],
    description   text,
    CONSTRAINT settings_definitions_pkey PRIMARY KEY (key),
    CONSTRAINT settings_definitions_scope_check
    CHECK (scope IN ('organization', 'subject', 'global')),
    CONSTRAINT settings_definitions_value_type_check
    CHECK (value_type IN ('int', 'bool', 'text', 'json')),
    CONSTRAINT settings_definitions_range_check CHECK (min_int <= max_int),
    CONSTRAINT settings_definitions_default_value_check
    CHECK (NOT (is_secret AND default_value IS NOT NULL))
);
COMMENT ON TABLE tenancy.settings_definitions IS
'The settings: their types, ranges and defaults, and whether they are secret or required.';
COMMENT ON COLUMN tenancy.settings_definitions.scope IS
'organization: one value for each workspace; subject: one for each subject in each workspace; global: only one, the '
'platform''s.';
COMMENT ON COLUMN tenancy.settings_definitions.subjects IS
'The subjects that have this setting, NULL for all.';

-- Values; the platform's have the nil UUID. Values in a table of the application
-- stay there. A setting without subjects has the nil UUID as its subject.
CREATE TABLE tenancy.settings (
    workspace_id       uuid        NOT NULL,
    subject_id         uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    key                text        NOT NULL,
    value              jsonb       NOT NULL,
    updated_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_by_user_id uuid,
    CONSTRAINT settings_pkey PRIMARY KEY (workspace_id, subject_id, key)
);
COMMENT ON TABLE tenancy.settings IS
'Values of settings; workspace_id is the owner, subject_id the subject.';
COMMENT ON COLUMN tenancy.settings.value IS
'No application''s login can read it here, because the setting may have become secret.';

-- Locks: these values of the platform apply everywhere.
CREATE TABLE tenancy_private.setting_locks (
    subject_id uuid NOT NULL,
    key        text NOT NULL,
    CONSTRAINT setting_locks_pkey PRIMARY KEY (subject_id, key)
);
COMMENT ON TABLE tenancy_private.setting_locks IS
'The settings whose platform value is effective in all workspaces.';

-- Secrets are in a separate table, where no privilege, policy, trigger or constraint concerns
-- the value, so that none can show it. Row-level security is forced on the owner too: then
-- PostgreSQL's errors do not contain the violating row, neither for the client nor in the
-- server's log.
CREATE TABLE tenancy_private.secrets (
    workspace_id       uuid        NOT NULL,
    subject_id         uuid        NOT NULL,
    key                text        NOT NULL,
    value              bytea       NOT NULL,
    key_id             text,
    updated_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_by_user_id uuid,
    CONSTRAINT secrets_pkey PRIMARY KEY (workspace_id, subject_id, key)
);
COMMENT ON TABLE tenancy_private.secrets IS
'Values of secret settings. A service reads them with tenancy.read_secret(), which is recorded.';
COMMENT ON COLUMN tenancy_private.secrets.key_id IS
'The application''s key that sealed the value; NULL if it is not sealed.';
-- No statistics: they would hold values.
ALTER TABLE tenancy_private.secrets ALTER COLUMN value SET STATISTICS 0;

-- A fingerprint shows whether a secret has changed. Without this key guesses cannot be checked
-- against it, except by whoever may set the same secret. A dump omits the key, so a restored
-- database has other fingerprints.
CREATE TABLE tenancy_private.fingerprint_keys (
    id          text  NOT NULL,
    inner_block bytea NOT NULL
    GENERATED ALWAYS AS (tenancy_private.random_block(id)) STORED,
    outer_block bytea NOT NULL
    GENERATED ALWAYS AS (tenancy_private.random_block(id)) STORED,
    CONSTRAINT fingerprint_keys_pkey PRIMARY KEY (id),
    CONSTRAINT fingerprint_keys_id_check CHECK (id = 'only')
);
ALTER TABLE tenancy_private.fingerprint_keys
ALTER COLUMN inner_block SET STATISTICS 0,
ALTER COLUMN outer_block SET STATISTICS 0;
INSERT INTO tenancy_private.fingerprint_keys (id) VALUES ('only');

-- Closed until settings_policies opens the first two.
CALL tenancy_private.close_own_table('tenancy.settings_definitions');
CALL tenancy_private.close_own_table('tenancy.settings');
CALL tenancy_private.close_own_table('tenancy_private.setting_locks');
CALL tenancy_private.close_own_table('tenancy_private.fingerprint_keys');
CALL tenancy_private.close_own_table('tenancy_private.secrets');
ALTER TABLE tenancy_private.secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY secrets_owner ON tenancy_private.secrets
FOR ALL TO tenancy_owner USING (true) WITH CHECK (true);
CALL tenancy_private.record_contract('tenancy_private.secrets');

RESET ROLE;

-- Values that a revert kept, except those of deleted workspaces.
DO $$
DECLARE
    archived text;
BEGIN
    FOREACH archived IN ARRAY ARRAY['settings_definitions', 'settings', 'setting_locks', 'secrets'] LOOP
        CONTINUE WHEN to_regclass('tenancy_archive.' || archived) IS NULL;
        EXECUTE format(
            'INSERT INTO %s SELECT a.* FROM tenancy_archive.%I AS a %s',
            CASE WHEN archived IN ('settings_definitions', 'settings') THEN 'tenancy.' ELSE 'tenancy_private.' END || archived,
            archived,
            CASE WHEN archived IN ('settings', 'secrets')
                THEN 'WHERE EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = a.workspace_id)'
            END
        );
        EXECUTE format('CALL tenancy_private.drop_archived(%L)', archived);
    END LOOP;
END;
$$;

-- The table in use is locked last, so that nobody waits for the above.
CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);

SET LOCAL ROLE tenancy_owner;

DELETE FROM tenancy.settings AS s
WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = s.workspace_id);
DELETE FROM tenancy_private.secrets AS s
WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = s.workspace_id);
ALTER TABLE tenancy.settings
ADD CONSTRAINT settings_workspace_id_fkey FOREIGN KEY (workspace_id)
REFERENCES tenancy.workspaces (id) ON DELETE CASCADE;
ALTER TABLE tenancy_private.secrets
ADD CONSTRAINT secrets_workspace_id_fkey FOREIGN KEY (workspace_id)
REFERENCES tenancy.workspaces (id) ON DELETE CASCADE;

CREATE TRIGGER settings_definitions_audit
AFTER INSERT OR UPDATE OR DELETE ON tenancy.settings_definitions
FOR EACH ROW EXECUTE FUNCTION tenancy_private.audit(
    'setting_definition', '', 'key', 'scope', 'value_type', 'min_int', 'max_int', 'default_value',
    'is_secret', 'is_required', 'subjects'
);
CALL tenancy_private.record_triggers('tenancy.settings_definitions', 'settings_definitions_audit');

\ir ../../notes/done.psql
COMMIT;
