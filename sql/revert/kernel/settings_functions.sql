-- Revert pg-tenancy:kernel/settings_functions from pg

\set change kernel/settings_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.define_setting(
    text, text, text, jsonb, bigint, bigint, boolean, boolean, uuid[], text
);
DROP FUNCTION tenancy.read_secret(uuid, uuid, text);
DROP FUNCTION tenancy.lock_setting(uuid, text, boolean);
DROP FUNCTION tenancy.unset_setting(uuid, text, bigint);
DROP FUNCTION tenancy.set_sealed_setting(uuid, text, bytea, text, bigint);
DROP FUNCTION tenancy.set_setting(uuid, text, text, bigint);
DROP FUNCTION tenancy_private.change_setting(uuid, text, jsonb, bytea, text, bigint);
DROP FUNCTION tenancy_private.write_setting(uuid, uuid, text, jsonb, uuid);
DROP FUNCTION tenancy_private.parsed_setting(tenancy.settings_definitions, text);
DROP FUNCTION tenancy_private.act_on_settings();
DROP FUNCTION tenancy.explain_setting(uuid, text);
DROP FUNCTION tenancy.setting(uuid, text);
DROP FUNCTION tenancy.settings();
DROP FUNCTION tenancy_private.shown(boolean, jsonb, text, text);
DROP FUNCTION tenancy_private.setting_of(uuid, text);
DROP FUNCTION tenancy_private.resolved_settings(uuid, uuid, text);
DROP FUNCTION tenancy_private.stored_settings(uuid, uuid, text);
DROP FUNCTION tenancy_private.fingerprint(uuid, uuid, text, bytea);

\ir ../../notes/done.psql
COMMIT;
