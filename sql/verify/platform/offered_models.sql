-- Verify pg-tenancy:platform/offered_models on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY[
        'organization_models_tenancy_access_policy_check', 'organization_models_tenancy_trial_check',
        'organization_models_tenancy_visibility_check'
    ];
    found CONSTANT text[] := ARRAY(
        SELECT c.conname::text FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = 'public.organization_models'::regclass AND c.conname = ANY(wanted) AND c.convalidated
        ORDER BY c.conname::text COLLATE "C"
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'public.organization_models has the constraints %, wanted %', found, wanted;
    END IF;
    IF (
        SELECT count(*) FROM pg_catalog.pg_index AS i
        WHERE i.indexrelid IN (
                'public.organization_models_tenancy_code_key'::regclass, 'public.organization_models_tenancy_key'::regclass,
                'public.organization_models_tenancy_public_idx'::regclass
            )
            AND i.indisvalid
    ) <> 3 THEN
        RAISE EXCEPTION 'the indexes of public.organization_models are not valid';
    END IF;
    IF (
        SELECT count(*) FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.organization_models'::regclass AND NOT a.attisdropped
            AND (a.attname, a.attnotnull) IN (
                ('visibility', true), ('access_policy', true), ('trial_days', false), ('trial_tokens', false)
            )
    ) <> 4 THEN
        RAISE EXCEPTION 'public.organization_models lacks visibility, access_policy, trial_days or trial_tokens';
    END IF;
END;
$$;

ROLLBACK;
