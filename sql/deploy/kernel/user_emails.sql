-- Deploy pg-tenancy:kernel/user_emails to pg
-- requires: kernel/owner_access
-- requires: kernel/foreign_keys
-- requires: kernel/adoption_steps

\set change kernel/user_emails
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.users']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);

SET LOCAL ROLE tenancy_owner;

-- The form in which an e-mail address is looked up: without surrounding spaces, in lower case.
-- NULL for an empty text or one longer than any address.
CREATE FUNCTION tenancy_private.email_key(email text) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN length(btrim(email, E' \t\r\n')) BETWEEN 1 AND 320 THEN lower(btrim(email, E' \t\r\n'))
END;
REVOKE ALL ON FUNCTION tenancy_private.email_key(text) FROM public;

-- The accounts of each address, for a look-up by index. An index on users would reveal to
-- tenants which addresses exist, as one on slugs would reveal the slugs. Addresses are not
-- unique here: an application with two accounts for one address keeps them, and may create a
-- third.
CREATE TABLE tenancy_private.user_emails (
    email   text NOT NULL,
    user_id uuid NOT NULL,
    CONSTRAINT user_emails_pkey PRIMARY KEY (email, user_id),
    CONSTRAINT user_emails_user_id_key UNIQUE (user_id),
    CONSTRAINT user_emails_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES public.users (id) ON DELETE CASCADE
);
CALL tenancy_private.close_own_table('tenancy_private.user_emails');
COMMENT ON TABLE tenancy_private.user_emails IS
'The e-mail addresses of accounts, in lower case; maintained by triggers on public.users.';

-- One statement for all the rows of one INSERT.
CREATE FUNCTION tenancy_private.add_user_emails() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    INSERT INTO tenancy_private.user_emails (email, user_id)
    SELECT
        tenancy_private.email_key(n.email::text),
        n.id
    FROM new_rows AS n
    WHERE tenancy_private.email_key(n.email::text) IS NOT NULL;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.add_user_emails() FROM public;

CREATE FUNCTION tenancy_private.change_user_email() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    new_key CONSTANT text := tenancy_private.email_key(new.email::text);
BEGIN
    IF new.email IS NOT DISTINCT FROM old.email THEN
        RETURN NULL;
    END IF;
    IF new_key IS NULL THEN
        DELETE FROM tenancy_private.user_emails AS e WHERE e.user_id = new.id;
    ELSE
        INSERT INTO tenancy_private.user_emails AS e (email, user_id)
        VALUES (new_key, new.id)
        ON CONFLICT (user_id) DO UPDATE SET email = excluded.email
        WHERE e.email <> excluded.email;
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.change_user_email() FROM public;

CREATE FUNCTION tenancy_private.user_with_email(email text) RETURNS uuid
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_ids CONSTANT uuid[] := ARRAY(
        SELECT e.user_id FROM tenancy_private.user_emails AS e
        WHERE e.email = tenancy_private.email_key(user_with_email.email)
    );
    exact_ids uuid[];
BEGIN
    IF cardinality(found_ids) <= 1 THEN
        RETURN found_ids[1];
    END IF;
    exact_ids := ARRAY(
        SELECT u.id FROM public.users AS u
        WHERE u.id = ANY(found_ids) AND u.email::text = user_with_email.email
    );
    IF cardinality(exact_ids) <> 1 THEN
        RAISE EXCEPTION 'several accounts share this e-mail address'
        USING ERRCODE = '21000',
        CONSTRAINT = 'email_ambiguous',
        HINT = 'The platform''s operators can change all but one of them in public.users.';
    END IF;
    RETURN exact_ids[1];
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.user_with_email(text) FROM public;
COMMENT ON FUNCTION tenancy_private.user_with_email(text) IS
'The account with an e-mail address, NULL if there is none; of several the one with this spelling. Raises 21000 '
'email_ambiguous.';

-- Transactions that create accounts for the same address must wait for each other, because only
-- a unique key of the application would stop the second. An advisory lock is not enough:
-- anybody can take one and block a stranger's account, and under REPEATABLE READ the second
-- would get the lock and still not see the first's account. Writing a row solves both: it
-- cannot be locked from outside, and with an older snapshot the second fails (40001). No
-- address is stored here. Nobody outside can compute which addresses share a row, and nobody
-- waits long for a transaction that has one locked.
CREATE TABLE tenancy_private.email_locks (
    number integer NOT NULL,
    uses   bigint  NOT NULL,
    CONSTRAINT email_locks_pkey PRIMARY KEY (number)
);
CALL tenancy_private.close_own_table('tenancy_private.email_locks');
COMMENT ON TABLE tenancy_private.email_locks IS
'One row for all e-mail addresses with the same hash; writing it makes transactions that create accounts wait for '
'each other.';

-- With this key nobody else can compute the row of an address; a rotation would give an address
-- two rows.
CREATE TABLE tenancy_private.email_lock_keys (
    id    text  NOT NULL,
    block bytea NOT NULL GENERATED ALWAYS AS (tenancy_private.random_block(id)) STORED,
    CONSTRAINT email_lock_keys_pkey PRIMARY KEY (id)
);
ALTER TABLE tenancy_private.email_lock_keys ALTER COLUMN block SET STATISTICS 0;
INSERT INTO tenancy_private.email_lock_keys VALUES ('only');
CALL tenancy_private.close_own_table('tenancy_private.email_lock_keys');

CREATE FUNCTION tenancy_private.lock_email(email text) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
BEGIN
    INSERT INTO tenancy_private.email_locks AS l (number, uses)
    SELECT
        ('x' || encode(substr(sha256(
            k.block || convert_to(tenancy_private.email_key(lock_email.email), 'UTF8')
        ), 1, 3), 'hex'))::bit(24)::integer,
        1
    FROM tenancy_private.email_lock_keys AS k
    ON CONFLICT (number) DO UPDATE SET uses = l.uses + 1;
EXCEPTION
    WHEN lock_not_available THEN
        RAISE EXCEPTION 'could not serialize access: another account is being created'
        USING ERRCODE = '40001',
        HINT = 'Retry the transaction.';
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.lock_email(text) FROM public;
COMMENT ON FUNCTION tenancy_private.lock_email(text) IS
'Until the transaction ends, no other transaction can create an account with this e-mail address by a function.';

RESET ROLE;

CREATE TRIGGER users_tenancy_emails_insert
AFTER INSERT ON public.users
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION tenancy_private.add_user_emails();

-- Without a condition on the column, which would prevent the application from changing its
-- type.
CREATE TRIGGER users_tenancy_emails_update
AFTER UPDATE ON public.users
FOR EACH ROW EXECUTE FUNCTION tenancy_private.change_user_email();

CALL tenancy_private.record_triggers(
    'public.users', 'users_tenancy_emails_insert', 'users_tenancy_emails_update'
);

\ir ../../notes/done.psql
COMMIT;
