-- Revert pg-tenancy:platform/offered_models from pg

\set change platform/offered_models
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

DELETE FROM tenancy_private.wanted_indexes;
INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns)
SELECT i.indrelid, c.relname, trim_array(tenancy_private.columns_of_index(c.oid), 1)
FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid
WHERE i.indrelid = 'public.organization_models'::regclass
    AND pg_catalog.obj_description(c.oid, 'pg_class') = 'Added by pg-tenancy, with the workspace.';
\ir ../../adoption/build_indexes.psql

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.organization_models']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

-- Values that providers chose for their offerings; defaults need not be kept.
DO $$
BEGIN
    IF tenancy_private.has_part(
        'public.organization_models', 'column', 'visibility', 'platform/offered_models'
    ) AND EXISTS (
        SELECT FROM public.organization_models AS o
        WHERE (o.visibility, o.access_policy) <> ('private', 'request_required')
            OR num_nonnulls(o.trial_days, o.trial_tokens) > 0
    ) THEN
        IF to_regnamespace('tenancy_archive') IS NULL THEN
            CREATE SCHEMA tenancy_archive;
            REVOKE ALL ON SCHEMA tenancy_archive FROM public;
        END IF;
        CREATE TABLE tenancy_archive.offered_models AS
        SELECT o.id, o.visibility, o.access_policy, o.trial_days, o.trial_tokens
        FROM public.organization_models AS o
        WHERE (o.visibility, o.access_policy) <> ('private', 'request_required')
            OR num_nonnulls(o.trial_days, o.trial_tokens) > 0;
        RAISE NOTICE 'visibility and access policy are kept in tenancy_archive.offered_models until the next deploy';
    END IF;
END;
$$;

DROP INDEX IF EXISTS
public.organization_models_tenancy_code_key,
public.organization_models_tenancy_code_key_tenancy_building,
public.organization_models_tenancy_key, public.organization_models_tenancy_key_tenancy_building,
public.organization_models_tenancy_public_idx,
public.organization_models_tenancy_public_idx_tenancy_building;
CALL tenancy_private.drop_parts('public.organization_models', 'platform/offered_models');
DELETE FROM tenancy_private.adoptions AS a WHERE a.change = 'platform/offered_models';

\ir ../../notes/done.psql
COMMIT;
