-- Verify pg-tenancy:platform/provider_settings on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    missing CONSTANT text := (
        SELECT string_agg(p.kind || ' ' || p.name, ', ')
        FROM tenancy_private.adopted_parts AS p
        WHERE p.change = 'platform/provider_settings' AND NOT CASE p.kind
            WHEN 'column' THEN EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = p.table_name AND a.attname = p.name AND NOT a.attisdropped
            )
            WHEN 'constraint' THEN EXISTS (
                SELECT FROM pg_catalog.pg_constraint AS c
                WHERE c.conrelid = p.table_name AND c.conname = p.name AND c.convalidated
            )
            ELSE EXISTS (
                SELECT FROM pg_catalog.pg_index AS i
                INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid
                WHERE i.indrelid = p.table_name AND c.relname = p.name AND i.indisvalid
            )
        END
    );
BEGIN
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'of public.provider_settings these parts are missing or not valid: %', missing;
    END IF;
    IF NOT has_table_privilege('tenancy_owner', 'public.provider_settings', 'SELECT')
        OR NOT has_table_privilege('tenancy_writer', 'public.provider_settings', 'SELECT, INSERT, UPDATE, DELETE')
    THEN
        RAISE EXCEPTION 'tenancy_owner cannot read public.provider_settings, or tenancy_writer cannot write it';
    END IF;
END;
$$;

ROLLBACK;
