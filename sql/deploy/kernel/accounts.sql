-- Deploy pg-tenancy:kernel/accounts to pg
-- requires: kernel/user_emails_backfill
-- requires: kernel/memberships_functions

\set change kernel/accounts
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- No more than a mailer needs: something, an @, something, and nothing that
-- could make two addresses or a header line of it.
CREATE FUNCTION tenancy_private.checked_email(email text) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trimmed CONSTANT text := btrim(email, E' \t\r\n');
BEGIN
    IF NOT coalesce(
        length(trimmed) <= 254
        AND trimmed ~ '^[^[:space:][:cntrl:]@,;<>()"]+@[^[:space:][:cntrl:]@,;<>()"]+$',
        false
    ) THEN
        RAISE EXCEPTION 'this is no e-mail address'
        USING ERRCODE = '22023',
        CONSTRAINT = 'email_invalid',
        HINT = 'One address of at most 254 characters, name@example.com, without a display name.';
    END IF;
    RETURN trimmed;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.checked_email(text) FROM public;

-- An adopted table has rules of its own. What breaks one is said in words and
-- with a name, and without the row, which Postgres's message would show. Comes
-- back where it is none of them: a trigger of the application's has words too.
CREATE FUNCTION tenancy_private.refuse_user_data(
    state text,
    schema_name text,
    table_name text,
    column_name text,
    constraint_name text,
    type_name text,
    given jsonb
) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    users CONSTANT regclass := 'public.users'::regclass;
    is_of_users CONSTANT boolean := (schema_name, table_name) = ('public', 'users');
    type_id CONSTANT oid := (
        SELECT t.oid FROM pg_type AS t
        INNER JOIN pg_namespace AS n ON t.typnamespace = n.oid
        WHERE (n.nspname, t.typname) = (schema_name, type_name)
    );
    columns CONSTANT text[] := ARRAY(
        SELECT a.attname FROM pg_attribute AS a
        WHERE a.attrelid = users AND a.attnum > 0
            AND (is_of_users AND a.attname = column_name OR a.atttypid = type_id)
        ORDER BY a.attnum
    );
    found text;
    problem text;
    advice text;
BEGIN
    IF state = '22001' THEN
        SELECT
            format('the column %I of public.users takes %s characters at most', a.attname, l.limit_of),
            'Give a shorter value.'
        INTO problem, advice
        FROM pg_attribute AS a
        INNER JOIN pg_type AS t ON a.atttypid = t.oid
        CROSS JOIN LATERAL (
            SELECT coalesce(nullif(a.atttypmod, -1), nullif(t.typtypmod, -1)) - 4 AS limit_of
        ) AS l
        WHERE a.attrelid = users AND length(rtrim(given ->> a.attname, ' ')) > l.limit_of
        ORDER BY a.attnum
        LIMIT 1;
    ELSIF state = '23502' AND columns <> '{}' THEN
        problem := format('the column %s of public.users has to have a value', array_to_string(columns, ' or '));
        advice := CASE
            WHEN given ?| columns THEN format('Give a %s.', array_to_string(columns, ' or '))
            ELSE 'Nothing gives it one here: it needs a default.'
        END;
    ELSIF state IN ('23505', '23P01') THEN
        SELECT string_agg(pg_get_indexdef(i.indexrelid, k.number, true), ', ' ORDER BY k.number)
        INTO found
        FROM pg_index AS i
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid
        CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k (number)
        WHERE is_of_users AND i.indrelid = users AND c.relname = constraint_name;
        IF found ~ '\musername\M' THEN
            RAISE EXCEPTION 'an account has this username'
            USING ERRCODE = '23505',
            CONSTRAINT = 'username_taken',
            HINT = 'Give another username.';
        ELSIF found ~ '\memail\M' THEN
            RAISE EXCEPTION 'an account has this e-mail address'
            USING ERRCODE = '23505',
            CONSTRAINT = 'email_taken',
            HINT = 'Give another address.';
        ELSIF found IS NOT NULL THEN
            problem := format('another account has a value that %I allows once in public.users', constraint_name);
            advice := format('Give another value for %s.', found);
        END IF;
    ELSE
        SELECT
            format(
                'the constraint %I of %s does not allow this', c.conname, coalesce(type_id::regtype::text, 'public.users')
            ),
            format('It says: %s.', pg_get_constraintdef(c.oid, true))
        INTO problem, advice
        FROM pg_constraint AS c
        WHERE c.conname = constraint_name AND (is_of_users AND c.conrelid = users OR c.contypid = type_id);
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem
        USING ERRCODE = '22023',
        CONSTRAINT = 'user_data_invalid',
        HINT = advice;
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_user_data(
    text, text, text, text, text, text, jsonb
) FROM public;
COMMENT ON FUNCTION tenancy_private.refuse_user_data(text, text, text, text, text, text, jsonb) IS
'What an error says that writing public.users met, as 23505 username_taken, email_taken or 22023 user_data_invalid; '
'nothing where it is about something else.';

-- The one place that writes accounts: a new one, or what is given of one that is
-- there. Answers whether there was one.
CREATE FUNCTION tenancy_private.write_user(
    user_id uuid,
    is_new boolean,
    email text,
    username text,
    first_name text,
    last_name text,
    password_hash text
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema_name text;
    table_name text;
    column_name text;
    constraint_name text;
    type_name text;
BEGIN
    IF NOT (
        coalesce(tenancy_private.is_plain(username), true)
        AND coalesce(tenancy_private.is_plain(first_name), true)
        AND coalesce(tenancy_private.is_plain(last_name), true)
    ) THEN
        RAISE EXCEPTION 'the names of a person have at most 200 characters, without control characters and marks of direction'
        USING ERRCODE = '22023',
        CONSTRAINT = 'user_data_invalid',
        HINT = 'Give another name.';
    END IF;
    IF is_new THEN
        RETURN tenancy_private.insert_row('public.users', jsonb_build_object(
            'id', write_user.user_id, 'email', write_user.email, 'username', write_user.username,
            'first_name', write_user.first_name, 'last_name', write_user.last_name,
            'password_hash', write_user.password_hash, 'role', 'user', 'created_at', now(), 'updated_at', now()
        ));
    END IF;
    RETURN tenancy_private.update_rows(
        'public.users', jsonb_build_object('id', write_user.user_id), jsonb_strip_nulls(jsonb_build_object(
            'email', write_user.email, 'username', write_user.username, 'first_name', write_user.first_name,
            'last_name', write_user.last_name, 'password_hash', write_user.password_hash, 'updated_at', now()
        ))
    ) > 0;
EXCEPTION
    WHEN integrity_constraint_violation OR string_data_right_truncation THEN
        GET STACKED DIAGNOSTICS
            schema_name = SCHEMA_NAME,
            table_name = TABLE_NAME,
            column_name = COLUMN_NAME,
            constraint_name = CONSTRAINT_NAME,
            type_name = PG_DATATYPE_NAME;
        PERFORM tenancy_private.refuse_user_data(
            sqlstate, schema_name, table_name, column_name, constraint_name, type_name,
            jsonb_build_object(
                'email', email, 'username', username, 'first_name', first_name, 'last_name', last_name,
                'password_hash', password_hash
            )
        );
        RAISE;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.write_user(
    uuid, boolean, text, text, text, text, text
) FROM public;

CREATE FUNCTION tenancy_private.new_user(
    email text, username text, first_name text, last_name text, password_hash text
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_id CONSTANT uuid := gen_random_uuid();
    new_email CONSTANT text := tenancy_private.checked_email(new_user.email);
BEGIN
    PERFORM tenancy_private.lock_email(new_email);
    IF EXISTS (
        SELECT FROM tenancy_private.user_emails AS e
        WHERE e.email = tenancy_private.email_key(new_email)
    ) THEN
        RAISE EXCEPTION 'an account has this e-mail address'
        USING ERRCODE = '23505',
        CONSTRAINT = 'email_taken',
        HINT = 'Invite the person who has it, or give another address.';
    END IF;
    PERFORM tenancy_private.write_user(
        new_id, true, new_email, new_user.username, new_user.first_name, new_user.last_name, new_user.password_hash
    );
    RETURN new_id;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.new_user(text, text, text, text, text) FROM public;
COMMENT ON FUNCTION tenancy_private.new_user(text, text, text, text, text) IS
'Makes an account and answers with its id. Raises 23505 email_taken, username_taken, 22023 email_invalid, '
'user_data_invalid.';

-- Who is a member already stays what he is. Without the organization's counter,
-- because nobody becomes less of an owner by it.
CREATE FUNCTION tenancy_private.add_member(
    joined_organization_id uuid, new_member_id uuid, given_role text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tenancy_private.insert_row('public.organization_memberships', jsonb_build_object(
        'organization_id', joined_organization_id, 'user_id', new_member_id, 'role', given_role, 'created_at', now()
    ), skip_conflicts => true);
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.add_member(uuid, uuid, text) FROM public;

\ir ../../notes/done.psql
COMMIT;
