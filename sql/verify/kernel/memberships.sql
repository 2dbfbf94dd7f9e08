-- Verify pg-tenancy:kernel/memberships on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY[
        'organization_memberships_tenancy_owner',
        'organization_memberships_tenancy_owner_changed',
        'organization_memberships_tenancy_owner_truncate'
    ];
    found CONSTANT text[] := ARRAY(
        SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'public.organization_memberships'::regclass
            AND t.tgname LIKE 'organization\_memberships\_tenancy\_owner%' AND t.tgenabled = 'A'
        ORDER BY t.tgname::text
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'public.organization_memberships has the triggers %, wanted %', found, wanted;
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.keep_an_owner()',
    'tenancy_private.keep_an_owner_on_truncate()'
]);

ROLLBACK;
