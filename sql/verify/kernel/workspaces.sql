-- Verify pg-tenancy:kernel/workspaces on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY['organizations_tenancy_workspaces', 'users_tenancy_workspaces'];
    found CONSTANT text[] := ARRAY(
        SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgfoid = 'tenancy_private.add_workspace()'::regprocedure AND t.tgenabled <> 'D'
        ORDER BY t.tgname::text
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'tenancy_private.add_workspace() is called by the triggers %, wanted %', found, wanted;
    END IF;
    IF NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.kind = 'platform') THEN
        RAISE EXCEPTION 'the platform has no workspace';
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.color_for(uuid)',
    'tenancy_private.add_workspace()',
    'tenancy_private.keep_workspaces()'
]);

ROLLBACK;
