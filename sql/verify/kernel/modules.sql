-- Verify pg-tenancy:kernel/modules on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.module_state(tenancy.modules)',
    'tenancy_private.module_reason(tenancy.modules, text)',
    'tenancy.define_module(text, text, text, text[], text, text[], integer)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.visible_modules()',
    'tenancy.require_module(text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY[
        'modules_key_check', 'modules_permission_fkey', 'modules_pkey', 'modules_roles_check', 'modules_workspaces_check'
    ];
    found CONSTANT text[] := ARRAY(
        SELECT c.conname::text FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = 'tenancy.modules'::regclass AND c.contype <> 'n' AND c.convalidated
        ORDER BY c.conname::text COLLATE "C"
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'tenancy.modules has the constraints %, wanted %', found, wanted;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'tenancy.modules'::regclass
            AND t.tgfoid = 'tenancy_private.audit()'::regprocedure
            AND t.tgenabled <> 'D'
    ) THEN
        RAISE EXCEPTION 'tenancy.modules is not audited';
    END IF;
END;
$$;

ROLLBACK;
