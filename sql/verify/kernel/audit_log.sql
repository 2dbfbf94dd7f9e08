-- Verify pg-tenancy:kernel/audit_log on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'tenancy.audit_log'::regclass AND t.tgname = 'audit_log_append_only' AND t.tgenabled = 'A'
    ) THEN
        RAISE EXCEPTION 'tenancy.audit_log is not kept append-only';
    END IF;
    IF (
        SELECT count(*) FROM pg_catalog.pg_trigger AS t
        WHERE t.tgfoid = 'tenancy_private.audit()'::regprocedure AND t.tgenabled <> 'D'
            AND t.tgrelid IN (
                'public.organizations'::regclass, 'public.organization_memberships'::regclass,
                'tenancy.workspaces'::regclass, 'tenancy.role_permissions'::regclass,
                'tenancy.role_delegations'::regclass
            )
    ) <> 5 THEN
        RAISE EXCEPTION 'some audited tables lack their trigger';
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.refuse_audit_change()',
    'tenancy_private.audit()',
    'tenancy_private.record_change(text, jsonb, jsonb, text[])'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.record_read(regclass)'
], ARRAY['tenancy_auditor']);

ROLLBACK;
