-- Verify pg-tenancy:platform/offerings on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    tables CONSTANT regclass[] := ARRAY[
        'tenancy.offering_prices', 'tenancy.access_requests', 'tenancy.entitlements', 'tenancy.catalog_preferences',
        'tenancy.usage_authorizations', 'tenancy.offering_usage'
    ]::regclass[];
    wanted text[] := ARRAY[
        'access_requests_consumer_id_fkey', 'access_requests_message_check', 'access_requests_offering_id_fkey',
        'access_requests_pkey', 'access_requests_status_check', 'catalog_preferences_pkey',
        'catalog_preferences_workspace_id_fkey', 'entitlements_consumer_id_fkey', 'entitlements_ends_at_check',
        'entitlements_eur_per_1k_check', 'entitlements_kind_check', 'entitlements_offering_id_fkey', 'entitlements_pkey',
        'entitlements_tokens_check', 'offering_prices_eur_per_1k_check', 'offering_prices_offering_id_fkey',
        'offering_prices_pkey', 'offering_prices_valid_from_check', 'offering_usage_amount_check', 'offering_usage_pkey',
        'offering_usage_tokens_check', 'usage_authorizations_pkey'
    ];
    found text[] := ARRAY(
        SELECT c.conname::text FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = ANY(tables) AND c.contype <> 'n' AND c.convalidated
        ORDER BY c.conname::text COLLATE "C"
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'offerings have the constraints %, wanted %', found, wanted;
    END IF;
    wanted := ARRAY['access_requests_pending_idx', 'entitlements_open_idx', 'offering_usage_id_idx'];
    found := ARRAY(
        SELECT c.relname::text FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid
        WHERE i.indrelid = ANY(tables) AND i.indisunique AND i.indisvalid AND NOT i.indisprimary
        ORDER BY c.relname::text COLLATE "C"
    );
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'offerings have the unique indexes %, wanted %', found, wanted;
    END IF;
    wanted := ARRAY[
        'access_requests_audit', 'entitlements_audit', 'models_tenancy_offered', 'offering_prices_audit',
        'organization_models_tenancy_model'
    ];
    found := ARRAY(
        SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgname = ANY(wanted) AND t.tgenabled <> 'D'
        ORDER BY t.tgname::text COLLATE "C"
    );
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'wanted the triggers %, found %', wanted, found;
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.oid = ANY(tables) AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    ) THEN
        RAISE EXCEPTION 'row-level security of offerings is not enabled and forced';
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.check_offered_model()', 'tenancy_private.keep_offered_model()'
]);

ROLLBACK;
