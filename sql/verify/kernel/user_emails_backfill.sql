-- Verify pg-tenancy:kernel/user_emails_backfill on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    missing CONSTANT bigint := (
        SELECT count(*)
        FROM public.users AS u
        LEFT JOIN tenancy_private.user_emails AS e ON u.id = e.user_id
        WHERE e.email IS DISTINCT FROM tenancy_private.email_key(u.email::text)
    );
BEGIN
    IF missing > 0 THEN
        RAISE EXCEPTION 'tenancy_private.user_emails is wrong about % users', missing;
    END IF;
END;
$$;

ROLLBACK;
