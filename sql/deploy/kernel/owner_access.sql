-- Deploy pg-tenancy:kernel/owner_access to pg
-- requires: kernel/contracts
-- requires: kernel/base_tables
-- requires: kernel/adoption_steps

\set change kernel/owner_access
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

\ir ../../adoption/zone.psql

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The functions of pg-tenancy run as tenancy_owner, which reads and locks rows in tables of the
-- application and never writes them: a table's triggers run with the writer's rights, and the
-- owner of such a table could create one that reads the keys. tenancy_writer, which has no
-- other rights, does the writing. These two procedures grant and revoke both roles' rights. If
-- tenancy_owner already owns the table, revoking would remove the owner's own rights. Rights on
-- other objects that writing the table requires are granted too: for a trigger of the
-- application that logs each change elsewhere, or a number from a sequence. They are recorded,
-- so that the last table that needs one revokes it.
CREATE TABLE tenancy_private.writer_rights (
    table_name regclass NOT NULL,
    kind       text     NOT NULL,
    object     text     NOT NULL,
    privilege  text     NOT NULL,
    CONSTRAINT writer_rights_pkey PRIMARY KEY (table_name, kind, object, privilege)
);
CALL tenancy_private.close_own_table('tenancy_private.writer_rights');
COMMENT ON TABLE tenancy_private.writer_rights IS
'Rights on other objects that tenancy_writer was granted, and the written table that needs each.';

CREATE FUNCTION tenancy_private.writer_has(kind text, object text, privilege text) RETURNS boolean
LANGUAGE sql
STABLE
SECURITY INVOKER
RETURN CASE kind
    WHEN 'TABLE' THEN has_table_privilege('tenancy_writer', object, privilege)
    WHEN 'SEQUENCE' THEN has_sequence_privilege('tenancy_writer', object, privilege)
    WHEN 'SCHEMA' THEN (
        SELECT has_schema_privilege('tenancy_writer', n.oid, privilege) FROM pg_namespace AS n
        WHERE quote_ident(n.nspname) = object
    )
    ELSE has_function_privilege('tenancy_writer', object, privilege)
END;
REVOKE ALL ON FUNCTION tenancy_private.writer_has(text, text, text) FROM public;

CREATE PROCEDURE tenancy_private.grant_to_owner(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    needed record;
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO tenancy_writer', table_name);
    IF (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = table_name) <> 'tenancy_owner' THEN
        EXECUTE format('GRANT SELECT, UPDATE, REFERENCES ON %s TO tenancy_owner', table_name);
    END IF;
    FOR needed IN
        SELECT DISTINCT n.kind, n.object, n.privilege
        FROM tenancy_private.needs_of(table_name) AS n
        WHERE n.kind <> 'NAME'
        ORDER BY 1, 2, 3
    LOOP
        IF NOT tenancy_private.writer_has(needed.kind, needed.object, needed.privilege) THEN
            EXECUTE format('GRANT %s ON %s %s TO tenancy_writer', needed.privilege, needed.kind, needed.object);
        ELSIF NOT EXISTS (
            SELECT FROM tenancy_private.writer_rights AS w
            WHERE (w.kind, w.object, w.privilege) = (needed.kind, needed.object, needed.privilege)
        ) THEN
            CONTINUE;
        END IF;
        INSERT INTO tenancy_private.writer_rights
        VALUES (grant_to_owner.table_name, needed.kind, needed.object, needed.privilege)
        ON CONFLICT ON CONSTRAINT writer_rights_pkey DO NOTHING;
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.grant_to_owner(regclass) FROM public;

CREATE PROCEDURE tenancy_private.revoke_from_owner(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
BEGIN
    FOR given IN
        DELETE FROM tenancy_private.writer_rights AS w
        WHERE w.table_name = revoke_from_owner.table_name
        RETURNING w.kind, w.object, w.privilege
    LOOP
        -- Objects that the application has dropped or renamed since cannot be revoked.
        CONTINUE WHEN EXISTS (
            SELECT FROM tenancy_private.writer_rights AS w
            WHERE (w.kind, w.object, w.privilege) = (given.kind, given.object, given.privilege)
        ) OR CASE given.kind
            WHEN 'SCHEMA' THEN to_regnamespace(given.object) IS NULL
            WHEN 'TABLE' THEN to_regclass(given.object) IS NULL
            WHEN 'SEQUENCE' THEN to_regclass(given.object) IS NULL
            ELSE to_regprocedure(given.object) IS NULL
        END;
        EXECUTE format('REVOKE %s ON %s %s FROM tenancy_writer', given.privilege, given.kind, given.object);
    END LOOP;
    EXECUTE format('REVOKE SELECT, INSERT, UPDATE, DELETE ON %s FROM tenancy_writer', table_name);
    IF (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = table_name) <> 'tenancy_owner' THEN
        EXECUTE format('REVOKE SELECT, UPDATE, REFERENCES ON %s FROM tenancy_owner', table_name);
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.revoke_from_owner(regclass) FROM public;

-- The owner of a function may alter it, and triggers of the application run as tenancy_writer:
-- if one made this SECURITY INVOKER, it would run as tenancy_owner at the next call. So each
-- function of tenancy_writer first checks its role.
--
-- Returns the inserted row, or NULL if one existed. Columns without a given value get
-- their default; an id or a time that is required and has no default gets a value here.
CREATE FUNCTION tenancy_private.insert_row(
    table_name regclass, new_values jsonb, skip_conflicts boolean DEFAULT false
) RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
-- The application's triggers may name its tables without their schema.
SET search_path = pg_catalog, public, pg_temp
SET debug_print_plan = off
SET timezone = :'zone'
AS $$
DECLARE
    given CONSTANT jsonb := (
        SELECT coalesce(jsonb_object_agg(
            a.attname, CASE a.attname WHEN 'id' THEN to_jsonb(gen_random_uuid()) ELSE to_jsonb(now()) END
        ), '{}')
        FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
            AND (
                a.attname = 'id' AND a.atttypid = 'uuid'::regtype
                OR a.attname IN ('created_at', 'updated_at') AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)
            )
    ) || new_values;
    columns CONSTANT text := (
        SELECT string_agg(quote_ident(k.name), ', ' ORDER BY k.name) FROM jsonb_object_keys(given) AS k (name)
    );
    -- A column without a time zone would drop the zone of a time.
    expressions CONSTANT text := (
        SELECT string_agg(CASE coalesce(nullif(t.typbasetype, 0), t.oid)
            WHEN 'timestamp'::regtype THEN format('($1 ->> %L)::timestamptz', k.name)
            ELSE format('r.%I', k.name)
        END, ', ' ORDER BY k.name)
        FROM jsonb_object_keys(given) AS k (name)
        LEFT JOIN pg_attribute AS a ON a.attrelid = table_name AND k.name = a.attname
        LEFT JOIN pg_type AS t ON a.atttypid = t.oid
    );
    inserted jsonb;
BEGIN
    IF current_user <> 'tenancy_writer' THEN
        RAISE EXCEPTION 'insert_row() runs as %, wanted tenancy_writer', current_user USING ERRCODE = '42501';
    END IF;
    EXECUTE format(
        'INSERT INTO %1$s AS t (%2$s) SELECT %4$s FROM jsonb_populate_record(NULL::%1$s, $1) AS r%3$s RETURNING to_jsonb(t)',
        table_name, columns, CASE WHEN skip_conflicts THEN ' ON CONFLICT DO NOTHING' END, expressions
    ) INTO inserted USING given;
    RETURN inserted;
END;
$$;

-- The rows whose columns have the values of the key.
CREATE FUNCTION tenancy_private.update_rows(table_name regclass, key jsonb, new_values jsonb)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET debug_print_plan = off
SET timezone = :'zone'
AS $$
DECLARE
    changes CONSTANT text := (
        SELECT string_agg(CASE coalesce(nullif(t.typbasetype, 0), t.oid)
            WHEN 'timestamp'::regtype THEN format('%1$I = ($2 ->> %1$L)::timestamptz', k.name)
            ELSE format('%1$I = v.%1$I', k.name)
        END, ', ' ORDER BY k.name)
        FROM jsonb_object_keys(new_values) AS k (name)
        LEFT JOIN pg_attribute AS a ON a.attrelid = table_name AND k.name = a.attname
        LEFT JOIN pg_type AS t ON a.atttypid = t.oid
    );
    matches CONSTANT text := (
        SELECT string_agg(format('t.%1$I = k.%1$I', k.name), ' AND ' ORDER BY k.name) FROM jsonb_object_keys(key) AS k (name)
    );
    updated bigint;
BEGIN
    IF current_user <> 'tenancy_writer' THEN
        RAISE EXCEPTION 'update_rows() runs as %, wanted tenancy_writer', current_user USING ERRCODE = '42501';
    END IF;
    EXECUTE format(
        'UPDATE %1$s AS t SET %2$s FROM jsonb_populate_record(NULL::%1$s, $1) AS k, '
        'jsonb_populate_record(NULL::%1$s, $2) AS v WHERE %3$s', table_name, changes, matches
    ) USING key, new_values;
    GET DIAGNOSTICS updated = ROW_COUNT;
    RETURN updated;
END;
$$;

CREATE FUNCTION tenancy_private.delete_rows(table_name regclass, key jsonb) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    matches CONSTANT text := (
        SELECT string_agg(format('t.%1$I = k.%1$I', k.name), ' AND ' ORDER BY k.name) FROM jsonb_object_keys(key) AS k (name)
    );
    deleted bigint;
BEGIN
    IF current_user <> 'tenancy_writer' THEN
        RAISE EXCEPTION 'delete_rows() runs as %, wanted tenancy_writer', current_user USING ERRCODE = '42501';
    END IF;
    EXECUTE format(
        'DELETE FROM %1$s AS t USING jsonb_populate_record(NULL::%1$s, $1) AS k WHERE %2$s', table_name, matches
    ) USING key;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END;
$$;

-- An adopted table has its own rules. A violation is reported with a name and without the row,
-- which PostgreSQL's message would reveal. Returns normally for any other error: triggers of
-- the application have their own messages.
CREATE FUNCTION tenancy_private.refuse_data(
    written regclass,
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
    is_of_table CONSTANT boolean := (SELECT (n.nspname, c.relname) = (schema_name, table_name)
        FROM pg_class AS c INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid WHERE c.oid = written);
    noun CONSTANT text := CASE written
        WHEN 'public.users'::regclass THEN 'user'
        WHEN 'public.organizations'::regclass THEN 'organization'
        WHEN 'public.organization_memberships'::regclass THEN 'membership'
        WHEN to_regclass('public.api_keys') THEN 'api_key'
        ELSE 'row'
    END;
    type_id CONSTANT oid := (
        SELECT t.oid FROM pg_type AS t
        INNER JOIN pg_namespace AS n ON t.typnamespace = n.oid
        WHERE (n.nspname, t.typname) = (schema_name, type_name)
    );
    columns CONSTANT text[] := ARRAY(
        SELECT a.attname FROM pg_attribute AS a
        WHERE a.attrelid = written AND a.attnum > 0
            AND (is_of_table AND a.attname = column_name OR a.atttypid = type_id)
        ORDER BY a.attnum
    );
    found text;
    problem text;
    advice text;
BEGIN
    IF state = '22001' THEN
        SELECT
            format('the column %I of %s takes %s characters at most', a.attname, written, l.limit_of),
            'Give a shorter value.'
        INTO problem, advice
        FROM pg_attribute AS a
        INNER JOIN pg_type AS t ON a.atttypid = t.oid
        CROSS JOIN LATERAL (
            SELECT coalesce(nullif(a.atttypmod, -1), nullif(t.typtypmod, -1)) - 4 AS limit_of
        ) AS l
        WHERE a.attrelid = written AND length(rtrim(given ->> a.attname, ' ')) > l.limit_of
        ORDER BY a.attnum
        LIMIT 1;
    ELSIF state = '428C9' THEN
        SELECT
            format('the column %I of %s is generated, and cannot be given', a.attname, written),
            format('Leave %I out.', a.attname)
        INTO problem, advice
        FROM pg_attribute AS a
        WHERE a.attrelid = written AND a.attgenerated <> '' AND given ? a.attname
        ORDER BY a.attnum
        LIMIT 1;
    ELSIF state = '23502' AND columns <> '{}' THEN
        problem := format('the column %s of %s has to have a value', array_to_string(columns, ' or '), written);
        advice := CASE
            WHEN given ?| columns OR noun = 'user' AND columns && ARRAY['username', 'first_name', 'last_name', 'password_hash']
                THEN format('Give a %s.', array_to_string(columns, ' or '))
            ELSE 'Nothing gives it one here: it needs a default.'
        END;
    ELSIF state IN ('23505', '23P01') THEN
        SELECT string_agg(pg_get_indexdef(i.indexrelid, k.number, true), ', ' ORDER BY k.number)
        INTO found
        FROM pg_index AS i
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid
        CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k (number)
        WHERE is_of_table AND i.indrelid = written AND c.relname = constraint_name;
        IF noun = 'user' AND found ~ '[[:<:]]username[[:>:]]' THEN
            RAISE EXCEPTION 'an account with this username exists'
            USING ERRCODE = '23505',
            CONSTRAINT = 'username_taken',
            HINT = 'Give another username.';
        ELSIF noun = 'user' AND found ~ '[[:<:]]email[[:>:]]' THEN
            RAISE EXCEPTION 'an account with this e-mail address exists'
            USING ERRCODE = '23505',
            CONSTRAINT = 'email_taken',
            HINT = 'Give another address.';
        ELSIF noun = 'organization' AND found ~ '[[:<:]]slug[[:>:]]' THEN
            RAISE EXCEPTION 'this slug is taken'
            USING ERRCODE = '23505',
            CONSTRAINT = 'organization_slug_taken',
            HINT = 'Give another slug.';
        ELSIF found IS NOT NULL THEN
            problem := format('another %s has a value that %I allows once in %s', CASE noun
                WHEN 'user' THEN 'account' WHEN 'api_key' THEN 'API key' ELSE noun
            END, constraint_name, written);
            advice := format('Give another value for %s.', found);
        END IF;
    ELSE
        SELECT
            format(
                'the constraint %I of %s does not allow this', c.conname, coalesce(type_id::regtype::text, written::text)
            ),
            format('It says: %s.', pg_get_constraintdef(c.oid, true))
        INTO problem, advice
        FROM pg_constraint AS c
        WHERE c.conname = constraint_name AND (is_of_table AND c.conrelid = written OR c.contypid = type_id);
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem
        USING ERRCODE = '22023',
        CONSTRAINT = noun || '_data_invalid',
        HINT = advice;
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.refuse_data(
    regclass, text, text, text, text, text, text, jsonb
) FROM public;
COMMENT ON FUNCTION tenancy_private.refuse_data(
    regclass, text, text, text, text, text, text, jsonb
) IS
'Raises for an error in writing a table: 22023 user_data_invalid, organization_data_invalid and so on, or 23505 '
'username_taken, email_taken, organization_slug_taken; returns for any other error.';

-- Inserts a row of the given values, or with a key writes them to the rows that have it.
-- Returns the row, or the values; NULL if no row has the key.
CREATE FUNCTION tenancy_private.write_data(
    table_name regclass,
    new_values jsonb,
    key jsonb DEFAULT NULL,
    skip_conflicts boolean DEFAULT false
) RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    failed_schema text;
    failed_table text;
    failed_column text;
    failed_constraint text;
    failed_type text;
BEGIN
    IF key IS NULL THEN
        RETURN tenancy_private.insert_row(table_name, new_values, skip_conflicts);
    END IF;
    RETURN CASE WHEN tenancy_private.update_rows(table_name, key, new_values) > 0 THEN new_values END;
EXCEPTION
    WHEN integrity_constraint_violation OR string_data_right_truncation OR generated_always THEN
        GET STACKED DIAGNOSTICS
            failed_schema = SCHEMA_NAME,
            failed_table = TABLE_NAME,
            failed_column = COLUMN_NAME,
            failed_constraint = CONSTRAINT_NAME,
            failed_type = PG_DATATYPE_NAME;
        PERFORM tenancy_private.refuse_data(
            table_name, sqlstate, failed_schema, failed_table, failed_column, failed_constraint, failed_type, new_values
        );
        RAISE;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.write_data(regclass, jsonb, jsonb, boolean) FROM public;

-- Deletes or detaches the rows that refer to these. PostgreSQL would do so as the owner of their
-- table, and of tables that came with pg-tenancy this is tenancy_owner, with whose rights the
-- application's triggers would run. Rows of an adopted table go as its own owner.
CREATE FUNCTION tenancy_private.delete_below(
    table_name regclass, key jsonb, left_alone regclass DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    matches CONSTANT text := (
        SELECT string_agg(format('t.%1$I = k.%1$I', k.name), ' AND ' ORDER BY k.name) FROM jsonb_object_keys(key) AS k (name)
    );
    reference record;
    referring jsonb;
BEGIN
    FOR reference IN
        SELECT
            c.conrelid::regclass AS referring_table,
            c.confdeltype AS action,
            string_agg(format('%L, t.%I', a.attname, r.attname), ', ' ORDER BY p.place) AS pairs,
            jsonb_object_agg(a.attname, NULL)
            FILTER (WHERE c.confdelsetcols IS NULL OR a.attnum = ANY(c.confdelsetcols)) AS cleared
        FROM pg_constraint AS c
        INNER JOIN pg_class AS t ON c.conrelid = t.oid
        CROSS JOIN LATERAL unnest(c.conkey, c.confkey) WITH ORDINALITY AS p (referring, referred, place)
        INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND p.referring = a.attnum
        INNER JOIN pg_attribute AS r ON c.confrelid = r.attrelid AND p.referred = r.attnum
        WHERE c.contype = 'f' AND c.confrelid = delete_below.table_name AND c.conrelid <> c.confrelid
            AND c.conrelid IS DISTINCT FROM left_alone
            AND c.confdeltype IN ('c', 'n') AND c.conparentid = 0
            AND t.relowner = 'tenancy_owner'::regrole AND has_table_privilege('tenancy_writer', t.oid, 'DELETE')
        GROUP BY c.oid, t.relname
        ORDER BY t.relname, c.conname
    LOOP
        FOR referring IN EXECUTE format(
            'SELECT jsonb_build_object(%1$s) FROM %2$s AS t, jsonb_populate_record(NULL::%2$s, $1) AS k WHERE %3$s',
            reference.pairs, table_name, matches
        ) USING key LOOP
            IF reference.action = 'n' THEN
                PERFORM tenancy_private.update_rows(reference.referring_table, referring, reference.cleared);
            ELSE
                PERFORM tenancy_private.delete_below(reference.referring_table, referring);
                PERFORM tenancy_private.delete_rows(reference.referring_table, referring);
            END IF;
        END LOOP;
    END LOOP;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.delete_below(regclass, jsonb, regclass) FROM public;

CREATE PROCEDURE tenancy_private.give_to_writer(routine regprocedure)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tenancy_owner', routine);
    -- A function's new owner needs CREATE on its schema at that moment.
    GRANT CREATE ON SCHEMA tenancy_private TO tenancy_writer;
    EXECUTE format('ALTER FUNCTION %s OWNER TO tenancy_writer', routine);
    REVOKE CREATE ON SCHEMA tenancy_private FROM tenancy_writer;
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tenancy_owner', routine);
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.give_to_writer(regprocedure) FROM public;
COMMENT ON PROCEDURE tenancy_private.give_to_writer (regprocedure) IS
'Makes tenancy_writer the owner of a function that writes tables of the application; tenancy_owner alone calls it.';

-- As the deployer, who may grant whatever the tables' owners may.
RESET ROLE;

CALL tenancy_private.give_to_writer('tenancy_private.insert_row(regclass, jsonb, boolean)');
CALL tenancy_private.give_to_writer('tenancy_private.update_rows(regclass, jsonb, jsonb)');
CALL tenancy_private.give_to_writer('tenancy_private.delete_rows(regclass, jsonb)');

-- Defaults of columns call functions in this schema.
GRANT USAGE ON SCHEMA tenancy TO tenancy_writer;

CALL tenancy_private.grant_to_owner('public.users');
CALL tenancy_private.grant_to_owner('public.organizations');
CALL tenancy_private.grant_to_owner('public.organization_memberships');

\ir ../../notes/done.psql
COMMIT;
