-- Verify pg-tenancy:kernel/invitations on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY[
        'invitations_accepted_by_user_id_fkey', 'invitations_expires_at_check', 'invitations_invited_by_user_id_fkey',
        'invitations_organization_id_fkey', 'invitations_pkey', 'invitations_role_check', 'invitations_state_check',
        'invitations_token_hash_check'
    ];
    found CONSTANT text[] := ARRAY(
        SELECT c.conname::text FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = 'tenancy.invitations'::regclass AND c.contype <> 'n' AND c.convalidated
        ORDER BY c.conname::text COLLATE "C"
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'tenancy.invitations has the constraints %, wanted %', found, wanted;
    END IF;
    IF (
        SELECT count(*) FROM pg_catalog.pg_index AS i
        WHERE i.indexrelid IN (
                'tenancy.invitations_token_hash_idx'::regclass, 'tenancy.invitations_pending_idx'::regclass
            )
            AND i.indisunique AND i.indisvalid
    ) <> 2 THEN
        RAISE EXCEPTION 'the unique indexes of tenancy.invitations are not valid';
    END IF;
    IF NOT (
        SELECT c.relrowsecurity AND c.relforcerowsecurity FROM pg_catalog.pg_class AS c
        WHERE c.oid = 'tenancy.invitations'::regclass
    ) THEN
        RAISE EXCEPTION 'row-level security of tenancy.invitations is not enabled and forced';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'tenancy.invitations'::regclass
            AND t.tgfoid = 'tenancy_private.audit()'::regprocedure
            AND t.tgenabled <> 'D'
    ) THEN
        RAISE EXCEPTION 'tenancy.invitations is not audited';
    END IF;
END;
$$;

ROLLBACK;
