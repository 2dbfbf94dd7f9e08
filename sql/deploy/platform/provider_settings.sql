-- Deploy pg-tenancy:platform/provider_settings to pg
-- requires: platform/foreign_keys
-- requires: kernel/settings_functions
-- requires: kernel/protection

\set change platform/provider_settings
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

-- The owner of a value. The table is small, a few rows for each organization and provider, so
-- this is one transaction. Existing columns stay as they are: one that may be NULL holds the
-- platform's values too, one that is NOT NULL only those of organizations.
DO $$
DECLARE
    organization_type CONSTANT regtype := (
        SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.provider_settings'::regclass AND a.attname = 'organization_id' AND NOT a.attisdropped
    );
    twice bigint;
BEGIN
    IF organization_type <> 'uuid'::regtype THEN
        RAISE EXCEPTION 'public.provider_settings: organization_id is %, and must be uuid', organization_type
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Nothing was changed. Rename the column or change its type, then deploy again.';
    END IF;
    SELECT count(*) INTO twice
    FROM (
        SELECT FROM public.provider_settings AS s
        WHERE s.provider_id IS NOT NULL AND s.key IS NOT NULL
        GROUP BY s.provider_id, s.key, to_jsonb(s) -> 'organization_id'
        HAVING count(*) > 1
    ) AS d;
    IF twice > 0 THEN
        RAISE EXCEPTION 'public.provider_settings: % more than one value',
            CASE twice WHEN 1 THEN '1 key of a provider has' ELSE format('%s keys of providers have', twice) END
        USING ERRCODE = '23505',
        CONSTRAINT = 'provider_settings_tenancy_key',
        DETAIL = 'SELECT provider_id, key, array_agg(id) FROM public.provider_settings AS s WHERE key IS NOT NULL '
        'GROUP BY provider_id, key, to_jsonb(s) -> ''organization_id'' HAVING count(*) > 1;',
        HINT = 'Nothing was changed. The query in the detail finds them: delete all but one of each, then deploy again.';
    END IF;
END;
$$;

CALL tenancy_private.patiently(
    ARRAY['public.organizations', 'public.provider_settings']::regclass[],
    'SHARE ROW EXCLUSIVE', 'SELECT'
);
CALL tenancy_private.patiently(
    ARRAY['public.provider_settings']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

DO $$
DECLARE
    settings CONSTANT regclass := 'public.provider_settings';
    change CONSTANT text := 'platform/provider_settings';
    organization smallint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = settings AND a.attname = 'organization_id' AND NOT a.attisdropped
    ) THEN
        ALTER TABLE public.provider_settings ADD COLUMN organization_id uuid;
        COMMENT ON COLUMN public.provider_settings.organization_id IS 'Added by pg-tenancy.';
        CALL tenancy_private.record_part(settings, 'column', 'organization_id', change);
    ELSE
        CALL tenancy_private.refuse_orphans(
            settings, 'organization_id', 'public.organizations',
            'Nothing was changed. Correct the column in these rows, or delete them, then deploy again.'
        );
    END IF;
    organization := (
        SELECT a.attnum FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = settings AND a.attname = 'organization_id'
    );
    -- An organization's values are deleted with it.
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = settings AND c.contype = 'f' AND c.conkey = ARRAY[organization]
            AND c.confrelid = 'public.organizations'::regclass
    ) THEN
        ALTER TABLE public.provider_settings ADD CONSTRAINT provider_settings_tenancy_organization_id_fkey
        FOREIGN KEY (organization_id) REFERENCES public.organizations (id) ON DELETE CASCADE;
        CALL tenancy_private.record_part(
            settings, 'constraint', 'provider_settings_tenancy_organization_id_fkey', change
        );
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = settings AND i.indkey[0] = organization AND i.indisvalid
    ) THEN
        CREATE INDEX provider_settings_tenancy_organization_id_idx
        ON public.provider_settings (organization_id, provider_id, key);
        CALL tenancy_private.record_part(settings, 'index', 'provider_settings_tenancy_organization_id_idx', change);
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = settings AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
            AND i.indnkeyatts = 3
            AND (i.indnullsnotdistinct OR (
                SELECT a.attnotnull FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = settings AND a.attnum = organization
            ))
            AND (
                SELECT array_agg(a.attname::text ORDER BY a.attname::text)
                FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = settings AND a.attnum = ANY(i.indkey)
            ) = ARRAY['key', 'organization_id', 'provider_id']
    ) THEN
        CREATE UNIQUE INDEX provider_settings_tenancy_key
        ON public.provider_settings (provider_id, key, organization_id) NULLS NOT DISTINCT;
        CALL tenancy_private.record_part(settings, 'index', 'provider_settings_tenancy_key', change);
    END IF;
END;
$$;

-- Values of organizations that a revert kept when it removed the column.
DO $$
BEGIN
    IF to_regclass('tenancy_archive.provider_settings_of_organizations') IS NOT NULL THEN
        INSERT INTO public.provider_settings
        SELECT r.*
        FROM tenancy_archive.provider_settings_of_organizations AS a
        CROSS JOIN LATERAL jsonb_populate_record(NULL::public.provider_settings, a.setting) AS r
        INNER JOIN public.organizations AS o ON r.organization_id = o.id
        INNER JOIN public.providers AS p ON r.provider_id = p.id
        ON CONFLICT DO NOTHING;
        CALL tenancy_private.drop_archived('provider_settings_of_organizations');
    END IF;
END;
$$;

CALL tenancy_private.grant_to_owner('public.provider_settings');

\ir ../../notes/done.psql
COMMIT;
