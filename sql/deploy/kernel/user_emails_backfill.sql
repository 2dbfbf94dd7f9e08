-- Deploy pg-tenancy:kernel/user_emails_backfill to pg
-- requires: kernel/user_emails

-- The addresses of the accounts that were here before. No transaction around
-- it: each batch commits, and one that was interrupted goes on from where it
-- stood when it is deployed again. The table of users is closed by now to
-- everybody whom no policy names.

SET lock_timeout = '2s';
SET ROLE tenancy_owner;

DO $$
DECLARE
    batch CONSTANT integer := 5000;
    passes CONSTANT integer := 20;
    last_id uuid;
    ids uuid[];
    missing bigint;
BEGIN
    FOR pass IN 1 .. passes LOOP
        -- Nobody has this id: it is the platform's.
        last_id := '00000000-0000-0000-0000-000000000000';
        LOOP
            SELECT pg_catalog.array_agg(b.id ORDER BY b.id) INTO ids
            FROM (
                SELECT u.id FROM public.users AS u
                WHERE u.id > last_id
                ORDER BY u.id
                LIMIT batch
            ) AS b;
            EXIT WHEN ids IS NULL;
            -- Under the row's lock, so that an address that changes meanwhile is
            -- not taken back. A row that somebody else holds is left for the next
            -- pass: nobody waits for the other, and so nobody is in a deadlock.
            INSERT INTO tenancy_private.user_emails (email, user_id)
            SELECT
                tenancy_private.email_key(u.email::text),
                u.id
            FROM public.users AS u
            WHERE u.id = ANY(ids)
                AND tenancy_private.email_key(u.email::text) IS NOT NULL
                AND NOT EXISTS (SELECT FROM tenancy_private.user_emails AS e WHERE e.user_id = u.id)
            FOR NO KEY UPDATE OF u SKIP LOCKED
            ON CONFLICT (user_id) DO NOTHING;
            last_id := ids[pg_catalog.array_upper(ids, 1)];
            COMMIT;
        END LOOP;

        SELECT pg_catalog.count(*) INTO missing
        FROM public.users AS u
        WHERE tenancy_private.email_key(u.email::text) IS NOT NULL
            AND NOT EXISTS (SELECT FROM tenancy_private.user_emails AS e WHERE e.user_id = u.id);
        COMMIT;
        IF missing = 0 THEN
            RETURN;
        END IF;
        PERFORM pg_catalog.pg_sleep(0.5);
    END LOOP;
    RAISE EXCEPTION '% users are locked by other transactions', missing
    USING ERRCODE = '55P03',
    CONSTRAINT = 'lock_attempts',
    HINT = 'Deploy again when the transactions that changed them have ended: it goes on from here.';
END;
$$;

RESET ROLE;
RESET lock_timeout;
