-- Revert pg-tenancy:platform/provider_settings from pg

\set change platform/provider_settings
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organizations', 'public.provider_settings']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

CALL tenancy_private.revoke_from_owner('public.provider_settings');

-- Without the column they would count as the platform's.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM tenancy_private.adopted_parts AS a
        WHERE (a.table_name, a.kind, a.name) = ('public.provider_settings'::regclass, 'column', 'organization_id')
    ) AND EXISTS (SELECT FROM public.provider_settings AS s WHERE s.organization_id IS NOT NULL) THEN
        IF to_regnamespace('tenancy_archive') IS NULL THEN
            CREATE SCHEMA tenancy_archive;
            REVOKE ALL ON SCHEMA tenancy_archive FROM public;
        END IF;
        CREATE TABLE tenancy_archive.provider_settings_of_organizations AS
        SELECT to_jsonb(s) AS setting FROM public.provider_settings AS s WHERE s.organization_id IS NOT NULL;
        DELETE FROM public.provider_settings AS s WHERE s.organization_id IS NOT NULL;
        RAISE NOTICE 'rows of organizations are kept in tenancy_archive.provider_settings_of_organizations';
    END IF;
END;
$$;

CALL tenancy_private.drop_parts('public.provider_settings', 'platform/provider_settings');
DELETE FROM tenancy_private.adoptions AS a WHERE a.change = 'platform/provider_settings';

\ir ../../notes/done.psql
COMMIT;
