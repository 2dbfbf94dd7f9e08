-- Revert pg-tenancy:platform/modules from pg

\set change platform/modules
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.can_provision();

ALTER TABLE tenancy.modules DISABLE TRIGGER modules_audit;

DO $$
DECLARE
    keys CONSTANT text[] := '{my_dashboard,chat,models,workbench,api_keys,admin_dashboard,instances,observability,monitoring,'
        'organizations,traces,gpu_activity,users,settings}';
BEGIN
    -- Modules that differ from the deploy's were changed by somebody, and are kept.
    IF (
        SELECT md5(string_agg(to_jsonb(m)::text, ',' ORDER BY m.key COLLATE "C"))
        FROM tenancy.modules AS m
        WHERE m.key = ANY(keys)
    ) IS DISTINCT FROM '0364b3296d7e56f2d0d8693c6cf898ad' THEN
        IF to_regnamespace('tenancy_archive') IS NULL THEN
            CREATE SCHEMA tenancy_archive;
            REVOKE ALL ON SCHEMA tenancy_archive FROM public;
        END IF;
        CREATE TABLE tenancy_archive.platform_modules AS
        SELECT m.* FROM tenancy.modules AS m WHERE m.key = ANY(keys);
        RAISE NOTICE 'rows of tenancy.modules are kept in tenancy_archive.platform_modules';
    END IF;
    DELETE FROM tenancy.modules AS m WHERE m.key = ANY(keys);
    -- Rights that only can_provision() needed.
    CALL tenancy_private.drop_parts('public.providers', 'platform/modules');
END;
$$;

ALTER TABLE tenancy.modules ENABLE TRIGGER modules_audit;

\ir ../../notes/done.psql
COMMIT;
