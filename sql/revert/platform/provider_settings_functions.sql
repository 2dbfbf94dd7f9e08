-- Revert pg-tenancy:platform/provider_settings_functions from pg

\set change platform/provider_settings_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SELECT
    to_regclass('public.settings_definitions') IS NOT NULL AND EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgname = 'settings_definitions_tenancy_mirror'
    ) AS has_mirror,
    to_regclass('public.global_settings') IS NOT NULL AS has_globals
\gset

\if :has_mirror
CALL tenancy_private.patiently(
    ARRAY['public.settings_definitions']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);
CALL tenancy_private.forget_triggers(
    'public.settings_definitions', 'settings_definitions_tenancy_mirror'
);
DROP TRIGGER settings_definitions_tenancy_mirror ON public.settings_definitions;
\endif

SET LOCAL lock_timeout = '2s';

\if :has_globals
CALL tenancy_private.revoke_from_owner('public.global_settings');
\endif

DROP FUNCTION tenancy_private.mirror_definition();
DROP FUNCTION tenancy.provider_status();
DROP FUNCTION tenancy_private.provider_readiness();
DROP FUNCTION tenancy_private.write_adopted_setting(uuid, uuid, text, jsonb);
DROP FUNCTION tenancy_private.provider_settings_hold(uuid);
DROP FUNCTION tenancy_private.adopted_settings(uuid, uuid, text);
DROP FUNCTION tenancy_private.setting_subjects();

\ir ../../notes/done.psql
COMMIT;
