-- Revert pg-tenancy:platform/offerings from pg

\set change platform/offerings
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces', 'public.models', 'public.organization_models']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER models_tenancy_offered ON public.models;
CALL tenancy_private.forget_triggers('public.models', 'models_tenancy_offered');
DROP FUNCTION tenancy_private.keep_offered_model();

DROP TRIGGER organization_models_tenancy_model ON public.organization_models;
CALL tenancy_private.forget_triggers(
    'public.organization_models', 'organization_models_tenancy_model'
);
DROP FUNCTION tenancy_private.check_offered_model();

DO $$
DECLARE
    kept text;
    is_used boolean;
BEGIN
    FOREACH kept IN ARRAY ARRAY[
        'offering_prices', 'access_requests', 'entitlements', 'catalog_preferences', 'usage_authorizations', 'offering_usage'
    ] LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM tenancy.%I)', kept) INTO is_used;
        IF is_used THEN
            CALL tenancy_private.archive_table(format('tenancy.%I', kept)::regclass);
        END IF;
        CALL tenancy_private.forget_contract(format('tenancy.%I', kept)::regclass);
    END LOOP;
END;
$$;

DROP TABLE tenancy.offering_usage;
DROP TABLE tenancy.usage_authorizations;
DROP TABLE tenancy.catalog_preferences;
DROP TABLE tenancy.entitlements;
DROP TABLE tenancy.access_requests;
DROP TABLE tenancy.offering_prices;

\ir ../../notes/done.psql
COMMIT;
