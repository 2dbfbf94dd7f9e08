-- Verify pg-tenancy:kernel/user_emails on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.email_key(text)',
    'tenancy_private.add_user_emails()',
    'tenancy_private.change_user_email()',
    'tenancy_private.user_with_email(text)',
    'tenancy_private.lock_email(text)'
]);

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY['users_tenancy_emails_insert', 'users_tenancy_emails_update'];
    found CONSTANT text[] := ARRAY(
        SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgfoid IN (
                'tenancy_private.add_user_emails()'::regprocedure,
                'tenancy_private.change_user_email()'::regprocedure
            )
            AND t.tgrelid = 'public.users'::regclass
            AND t.tgenabled <> 'D'
        ORDER BY t.tgname::text
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'tenancy_private.user_emails is kept by the triggers %, wanted %', found, wanted;
    END IF;
END;
$$;

ROLLBACK;
