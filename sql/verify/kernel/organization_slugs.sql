-- Verify pg-tenancy:kernel/organization_slugs on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY['tenancy_private.take_slug()']);

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY['organizations_tenancy_slug_insert', 'organizations_tenancy_slug_update'];
    found CONSTANT text[] := ARRAY(
        SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgfoid = 'tenancy_private.take_slug()'::regprocedure AND t.tgenabled <> 'D'
        ORDER BY t.tgname::text
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'tenancy_private.take_slug() is called by the triggers %, wanted %', found, wanted;
    END IF;
END;
$$;

ROLLBACK;
