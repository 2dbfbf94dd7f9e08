-- Deploy pg-tenancy:platform/cost_rollups to pg
-- requires: platform/models_policies
-- requires: kernel/adoption

\set change platform/cost_rollups
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- Sums of costs, so that a dashboard over a year reads hours instead of minutes. They are
-- derived from finops.cost_actual_minute and finops.inference_usage, and the results are
-- always exact: hours before rolled_before are read from here, but hours with a mark, and
-- everything later, are read from the original rows. A write before marked_before leaves a
-- mark, so rolled_before must not exceed marked_before.
CREATE TABLE tenancy_private.cost_state (
    is_only       boolean     NOT NULL DEFAULT true,
    marked_before timestamptz NOT NULL DEFAULT '-infinity',
    rolled_before timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT cost_state_pkey PRIMARY KEY (is_only),
    CONSTRAINT cost_state_is_only_check CHECK (is_only),
    CONSTRAINT cost_state_rolled_before_check CHECK (rolled_before <= marked_before)
);
CALL tenancy_private.close_own_table('tenancy_private.cost_state');
COMMENT ON TABLE tenancy_private.cost_state IS
'One row: the time before which changes leave a mark, and the time before which hours are rolled up.';
INSERT INTO tenancy_private.cost_state DEFAULT VALUES;

-- Writers only insert, so that they never wait for each other; roll_up() deletes the marks
-- that it has processed.
CREATE TABLE tenancy_private.cost_marks (
    workspace_id uuid        NOT NULL,
    hour         timestamptz NOT NULL
);
CREATE INDEX cost_marks_workspace_id_hour_idx ON tenancy_private.cost_marks (workspace_id, hour);
CALL tenancy_private.close_own_table('tenancy_private.cost_marks');
COMMENT ON TABLE tenancy_private.cost_marks IS
'The hours of a workspace with changes since they were rolled up.';

-- One row for each hour of a workspace; the index has everything that a chart shows.
-- Midnight in Kolkata is in the middle of a UTC hour, so the quarters are stored too.
CREATE TABLE tenancy_private.cost_hours (
    workspace_id  uuid        NOT NULL,
    hour          timestamptz NOT NULL,
    instances_eur numeric     NOT NULL,
    inference_eur numeric     NOT NULL,
    earned_eur    numeric     NOT NULL,
    calls         bigint      NOT NULL,
    total_tokens  bigint      NOT NULL,
    quarters      numeric[]   NOT NULL,
    CONSTRAINT cost_hours_pkey PRIMARY KEY (workspace_id, hour)
    INCLUDE (instances_eur, inference_eur, earned_eur, calls, total_tokens)
);
CALL tenancy_private.close_own_table('tenancy_private.cost_hours');
COMMENT ON TABLE tenancy_private.cost_hours IS
'The amounts that a workspace spent and earned in an hour; quarters has five values for each quarter of the hour, in '
'the order of the columns, NULL without rows.';

-- The parts by hour, and by UTC day, because a year has many hours of many instances.
CREATE TABLE tenancy_private.cost_hour_parts (
    workspace_id          uuid        NOT NULL,
    hour                  timestamptz NOT NULL,
    kind                  text        NOT NULL,
    provider_id           uuid,
    instance_id           uuid,
    model_id              uuid,
    user_id               uuid,
    api_key_id            uuid,
    organization_model_id uuid,
    amount_eur            numeric     NOT NULL,
    calls                 bigint      NOT NULL,
    total_tokens          bigint      NOT NULL
);
CREATE INDEX cost_hour_parts_workspace_id_hour_idx
ON tenancy_private.cost_hour_parts (workspace_id, hour);
CALL tenancy_private.close_own_table('tenancy_private.cost_hour_parts');
COMMENT ON TABLE tenancy_private.cost_hour_parts IS
'The parts of cost_hours, by every dimension. kind is instances, inference or earned.';

CREATE TABLE tenancy_private.cost_day_parts (
    workspace_id          uuid        NOT NULL,
    day                   timestamptz NOT NULL,
    kind                  text        NOT NULL,
    provider_id           uuid,
    instance_id           uuid,
    model_id              uuid,
    user_id               uuid,
    api_key_id            uuid,
    organization_model_id uuid,
    amount_eur            numeric     NOT NULL,
    calls                 bigint      NOT NULL,
    total_tokens          bigint      NOT NULL
);
CREATE INDEX cost_day_parts_workspace_id_day_idx
ON tenancy_private.cost_day_parts (workspace_id, day);
CALL tenancy_private.close_own_table('tenancy_private.cost_day_parts');
COMMENT ON TABLE tenancy_private.cost_day_parts IS 'cost_hour_parts, by day of UTC.';

-- == The workspace of a row ==

-- A minute belongs to the workspace that the instance has when the row is written. If the
-- instance moves later, the row stays with the workspace that paid.
CREATE FUNCTION tenancy_private.set_cost_workspace() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
SET enable_seqscan = off
AS $$
BEGIN
    SELECT i.workspace_id INTO new.workspace_id FROM public.instances AS i WHERE i.id = new.instance_id;
    new.workspace_id := coalesce(new.workspace_id, '00000000-0000-0000-0000-000000000000');
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.set_cost_workspace() FROM public;

-- A call belongs to the workspace of the consumer, or else of the key, the user or the
-- instance, in this order, or else to the service's current workspace or the platform. The
-- triggers run only for new references: a row stays where it is when its key is deleted.
-- Plans are not cached, because one made while there are few keys would read all keys for
-- each row. Argument: user_id, if pg-tenancy fills that column.
CREATE FUNCTION tenancy_private.set_usage_workspace() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
SET enable_seqscan = off
AS $$
DECLARE
    keys_workspace uuid;
    keys_user uuid;
BEGIN
    -- A call with both columns set needs no look-up; a batch has many of these.
    IF new.api_key_id IS NOT NULL AND (new.consumer_organization_id IS NULL OR tg_nargs > 0 AND new.user_id IS NULL) THEN
        SELECT k.workspace_id, k.user_id INTO keys_workspace, keys_user
        FROM public.api_keys AS k
        WHERE k.id = new.api_key_id;
        IF tg_nargs > 0 THEN
            new.user_id := coalesce(new.user_id, keys_user);
        END IF;
    END IF;
    IF coalesce(new.consumer_organization_id, keys_workspace) IS NOT NULL THEN
        new.workspace_id := coalesce(new.consumer_organization_id, keys_workspace);
    ELSIF new.workspace_id = '00000000-0000-0000-0000-000000000000' THEN
        IF new.user_id IS NOT NULL THEN
            new.workspace_id := new.user_id;
        ELSIF new.instance_id IS NOT NULL THEN
            SELECT i.workspace_id INTO new.workspace_id FROM public.instances AS i WHERE i.id = new.instance_id;
            new.workspace_id := coalesce(new.workspace_id, '00000000-0000-0000-0000-000000000000');
        END IF;
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.set_usage_workspace() FROM public;

-- == Marks ==

-- The time before which a change leaves a mark. Until the transaction ends, its lock on the
-- table of marks keeps roll_up() from moving that time. A transaction with an older snapshot
-- cannot see the current value, so it always leaves marks.
CREATE FUNCTION tenancy_private.cost_marked_before() RETURNS timestamptz
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN CASE
    WHEN current_setting('transaction_isolation') IN ('repeatable read', 'serializable')
        THEN 'infinity'::timestamptz
    ELSE (SELECT s.marked_before FROM tenancy_private.cost_state AS s)
END;
REVOKE ALL ON FUNCTION tenancy_private.cost_marked_before() FROM public;

-- Once per statement, and the lock first: the statement after it then sees everything that
-- was committed before the lock was granted. Most rows are new and leave no mark, and looking
-- is cheaper than an INSERT of no rows.
CREATE FUNCTION tenancy_private.mark_costs() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    LOCK TABLE tenancy_private.cost_marks IN ROW EXCLUSIVE MODE;
    IF EXISTS (
        SELECT FROM changed AS c WHERE c.bucket_minute < (SELECT tenancy_private.cost_marked_before())
    ) THEN
        INSERT INTO tenancy_private.cost_marks (workspace_id, hour)
        SELECT DISTINCT c.workspace_id, date_trunc('hour', c.bucket_minute, 'UTC')
        FROM changed AS c
        WHERE c.bucket_minute < (SELECT tenancy_private.cost_marked_before());
    END IF;
    IF tg_op = 'UPDATE' THEN
        INSERT INTO tenancy_private.cost_marks (workspace_id, hour)
        SELECT DISTINCT c.workspace_id, date_trunc('hour', c.bucket_minute, 'UTC')
        FROM changed_from AS c
        WHERE c.bucket_minute < (SELECT tenancy_private.cost_marked_before());
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.mark_costs() FROM public;

CREATE FUNCTION tenancy_private.mark_usage() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    LOCK TABLE tenancy_private.cost_marks IN ROW EXCLUSIVE MODE;
    IF EXISTS (
        SELECT FROM changed AS c WHERE c.occurred_at < (SELECT tenancy_private.cost_marked_before())
    ) THEN
        INSERT INTO tenancy_private.cost_marks (workspace_id, hour)
        SELECT DISTINCT w.id, date_trunc('hour', c.occurred_at, 'UTC')
        FROM changed AS c
        CROSS JOIN LATERAL (VALUES (c.workspace_id), (c.provider_organization_id)) AS w (id)
        WHERE c.occurred_at < (SELECT tenancy_private.cost_marked_before()) AND w.id IS NOT NULL;
    END IF;
    IF tg_op = 'UPDATE' THEN
        INSERT INTO tenancy_private.cost_marks (workspace_id, hour)
        SELECT DISTINCT w.id, date_trunc('hour', c.occurred_at, 'UTC')
        FROM changed_from AS c
        CROSS JOIN LATERAL (VALUES (c.workspace_id), (c.provider_organization_id)) AS w (id)
        WHERE c.occurred_at < (SELECT tenancy_private.cost_marked_before()) AND w.id IS NOT NULL;
    END IF;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.mark_usage() FROM public;

-- TRUNCATE does not say which rows it removes, so every hour may have changed.
CREATE FUNCTION tenancy_private.mark_all_costs() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    LOCK TABLE tenancy_private.cost_marks IN ROW EXCLUSIVE MODE;
    INSERT INTO tenancy_private.cost_marks (workspace_id, hour)
    SELECT h.workspace_id, h.hour FROM tenancy_private.cost_hours AS h;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.mark_all_costs() FROM public;

-- == Adopting the two tables ==
-- These are the largest tables and may have any key, so batches go by physical position
-- instead of an id. Like those of kernel/tenant_tables, the procedures can be interrupted
-- and called again; those that commit use their caller's search_path.

-- Obstacles, found before anything is changed.
CREATE PROCEDURE tenancy_private.check_cost_table(table_name regclass, moment name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong CONSTANT text := (
        SELECT string_agg(format('%I is %s, and must %s', a.attname, p.what, p.needed), '; ' ORDER BY a.attnum)
        FROM pg_attribute AS a
        CROSS JOIN LATERAL (SELECT format_type(a.atttypid, a.atttypmod) AS name) AS t
        CROSS JOIN LATERAL (VALUES
            (a.attname = 'workspace_id', 'already a column', 'be free for pg-tenancy'),
            (a.attname = 'user_id' AND a.atttypid <> 'uuid'::regtype, t.name, 'be uuid'),
            (
                a.attname = moment AND a.atttypid <> 'timestamptz'::regtype,
                t.name, 'be timestamptz: the day that a cost belongs to depends on its zone'
            )
        ) AS p (is_so, what, needed)
        WHERE a.attrelid = table_name AND NOT a.attisdropped AND p.is_so
    );
BEGIN
    CALL tenancy_private.check_adoptable(table_name);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%: %', table_name, wrong
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Nothing was changed. Rename the column or change its type, then deploy again.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.check_cost_table(regclass, name) FROM public;

-- Adds the columns and the triggers, without reading rows. updated and is_new select the
-- updates that set the workspace again.
CREATE PROCEDURE tenancy_private.add_cost_ownership(
    change text, table_name regclass, set_workspace text, updated text, is_new text, mark text
)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    arguments text := '';
    trigger_name name;
    wanted record;
BEGIN
    CALL tenancy_private.add_workspace_column(table_name, 'tenancy.default_workspace_id()', change);
    IF updated ~ 'user_id' AND NOT EXISTS (
        SELECT FROM pg_attribute AS a WHERE a.attrelid = table_name AND a.attname = 'user_id' AND NOT a.attisdropped
    ) THEN
        EXECUTE format('ALTER TABLE %s ADD COLUMN user_id uuid', table_name);
        EXECUTE format('ALTER TABLE %s ALTER COLUMN user_id SET DEFAULT tenancy.default_author_id()', table_name);
        EXECUTE format(
            'COMMENT ON COLUMN %s.user_id IS %L', table_name, 'The caller, if known. Added by pg-tenancy.'
        );
        CALL tenancy_private.record_part(table_name, 'column', 'user_id', change);
        arguments := '''user_id''';
    END IF;
    FOR wanted IN
        SELECT t.*
        FROM (VALUES
            ('workspace', 'BEFORE INSERT', 'FOR EACH ROW', format('%s(%s)', set_workspace, arguments)),
            (
                'workspace_update', 'BEFORE UPDATE OF ' || updated, format('FOR EACH ROW WHEN (%s)', is_new),
                format('%s(%s)', set_workspace, arguments)
            ),
            ('mark_insert', 'AFTER INSERT', 'REFERENCING NEW TABLE AS changed FOR EACH STATEMENT', mark || '()'),
            ('mark_delete', 'AFTER DELETE', 'REFERENCING OLD TABLE AS changed FOR EACH STATEMENT', mark || '()'),
            (
                'mark_update', 'AFTER UPDATE',
                'REFERENCING OLD TABLE AS changed_from NEW TABLE AS changed FOR EACH STATEMENT', mark || '()'
            ),
            ('mark_truncate', 'AFTER TRUNCATE', 'FOR EACH STATEMENT', 'tenancy_private.mark_all_costs()')
        ) AS t (name, event, scope, call)
    LOOP
        trigger_name := tenancy_private.name_for(table_name, wanted.name);
        EXECUTE format(
            'CREATE TRIGGER %I %s ON %s %s EXECUTE FUNCTION %s', trigger_name, wanted.event, table_name, wanted.scope,
            wanted.call
        );
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', table_name, trigger_name);
        CALL tenancy_private.record_triggers(table_name, trigger_name);
        CALL tenancy_private.record_part(table_name, 'trigger', trigger_name, change);
    END LOOP;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.add_cost_ownership(
    text, regclass, text, text, text, text
) FROM public;

-- Runs a command on a few pages of a table at a time, and commits. The command takes the
-- table, and the start and end as $1 and $2, and returns the number of rows to change and the
-- number that it changed. The progress is recorded with the change. The command skips locked
-- rows, and rows written meanwhile move, so passes repeat until one finds nothing left.
CREATE PROCEDURE tenancy_private.by_pages(change text, work text, table_name regclass, command text)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    pages CONSTANT integer := 64;
    attempts CONSTANT integer := coalesce(
        nullif(pg_catalog.current_setting('tenancy.lock_attempts', true), '')::integer, 20
    );
    noted jsonb := (SELECT c.progress -> work FROM tenancy_private.changes AS c WHERE c.change = by_pages.change);
    -- pg_partition_tree() has no rows for an ordinary table.
    parts CONSTANT regclass[] := ARRAY(
        SELECT table_name WHERE (SELECT c.relkind FROM pg_catalog.pg_class AS c WHERE c.oid = table_name) <> 'p'
        UNION ALL
        SELECT t.relid FROM pg_catalog.pg_partition_tree(table_name) AS t WHERE t.isleaf AND t.relid <> table_name
        ORDER BY 1
    );
    part regclass;
    page bigint;
    batch record;
    left_over bigint;
    has_changed boolean;
    idle integer := 0;
    is_whole boolean;
BEGIN
    LOOP
        left_over := 0;
        has_changed := false;
        is_whole := noted IS NULL;
        FOREACH part IN ARRAY parts LOOP
            CONTINUE WHEN part::oid < (noted ->> 'part')::oid;
            page := CASE WHEN part::oid = (noted ->> 'part')::oid THEN (noted ->> 'page')::bigint ELSE 0 END;
            WHILE page < pg_catalog.pg_relation_size(part) / pg_catalog.current_setting('block_size')::integer LOOP
                EXECUTE pg_catalog.format(command, part) INTO batch
                USING pg_catalog.format('(%s,0)', page)::tid, pg_catalog.format('(%s,0)', page + pages)::tid;
                left_over := left_over + batch.wanted - batch.changed;
                has_changed := has_changed OR batch.changed > 0;
                page := page + pages;
                UPDATE tenancy_private.changes AS c
                SET progress = pg_catalog.jsonb_set(
                    c.progress, ARRAY[work], pg_catalog.jsonb_build_object('part', part::oid, 'page', page)
                )
                WHERE c.change = by_pages.change;
                COMMIT;
            END LOOP;
        END LOOP;
        EXIT WHEN is_whole AND NOT has_changed AND left_over = 0;
        noted := NULL;
        IF left_over > 0 THEN
            idle := CASE WHEN has_changed THEN 0 ELSE idle + 1 END;
            IF idle >= attempts THEN
                RAISE EXCEPTION 'rows of % are locked by other transactions', table_name
                USING ERRCODE = '55P03',
                CONSTRAINT = 'lock_attempts',
                HINT = 'A long transaction holds them. Finished batches stay: run the same command again when that '
                'has ended, and it continues here.';
            END IF;
            PERFORM pg_catalog.pg_sleep(least(0.1 * (idle + 1), 1));
        END IF;
    END LOOP;
    UPDATE tenancy_private.changes AS c SET progress = c.progress - work WHERE c.change = by_pages.change;
    COMMIT;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.by_pages(text, text, regclass, text) FROM public;

-- The columns that identify a row: preferably a key without NULLs, or else one with NULLS
-- NOT DISTINCT.
CREATE FUNCTION tenancy_private.row_key(table_name regclass) RETURNS name[]
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT tenancy_private.columns_of_index(i.indexrelid)
    FROM pg_index AS i
    WHERE i.indrelid = table_name AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL
    ORDER BY i.indisprimary DESC, EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) AND NOT a.attnotnull
    ), i.indnullsnotdistinct DESC, i.indexrelid
    LIMIT 1
);
REVOKE ALL ON FUNCTION tenancy_private.row_key(regclass) FROM public;

-- The table in which a revert keeps the owners of rows.
CREATE FUNCTION tenancy_private.cost_archive(table_name regclass) RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN (
    SELECT format('tenancy_archive.%I', left(n.nspname || '_' || c.relname, 48) || '_workspaces')
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE c.oid = table_name
);
REVOKE ALL ON FUNCTION tenancy_private.cost_archive(regclass) FROM public;

-- Restores the owners that a revert kept, for rows that still exist.
CREATE PROCEDURE tenancy_private.return_cost_workspaces(change text, table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    archive CONSTANT text := tenancy_private.cost_archive(table_name);
    same_row CONSTANT text := (
        SELECT pg_catalog.string_agg(pg_catalog.format(
            CASE WHEN c.attnotnull THEN 't.%1$I = a.%1$I' ELSE 't.%1$I IS NOT DISTINCT FROM a.%1$I' END, k.name
        ), ' AND ')
        FROM pg_catalog.unnest(tenancy_private.row_key(table_name)) AS k (name)
        INNER JOIN pg_catalog.pg_attribute AS c ON c.attrelid = table_name AND k.name = c.attname
    );
    is_ours CONSTANT boolean := tenancy_private.has_part(table_name, 'column', 'user_id', change);
BEGIN
    IF pg_catalog.to_regclass(archive) IS NULL THEN
        RETURN;
    END IF;
    CALL tenancy_private.by_pages(change, 'archived workspaces', archive::regclass, pg_catalog.format(
        'WITH w AS MATERIALIZED (SELECT t.tableoid AS part, t.ctid AS place, a.* FROM %%s AS a INNER JOIN %s AS t ON %s '
        'WHERE a.ctid >= $1 AND a.ctid < $2 AND (%s)), '
        'f AS MATERIALIZED (SELECT w.* FROM w INNER JOIN %1$s AS t ON w.part = t.tableoid AND w.place = t.ctid '
        'FOR NO KEY UPDATE OF t SKIP LOCKED), '
        'u AS (UPDATE %1$s AS t SET %4$s FROM f WHERE t.tableoid = f.part AND t.ctid = f.place RETURNING 1) '
        'SELECT (SELECT pg_catalog.count(*) FROM w) AS wanted, (SELECT pg_catalog.count(*) FROM u) AS changed',
        table_name, same_row,
        't.workspace_id <> a.workspace_id'
        || CASE WHEN is_ours THEN ' OR t.user_id IS DISTINCT FROM a.user_id' ELSE '' END,
        'workspace_id = f.workspace_id' || CASE WHEN is_ours THEN ', user_id = f.user_id' ELSE '' END
    ));
    CALL tenancy_private.drop_archived(pg_catalog.split_part(archive, '.', 2));
    COMMIT;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.return_cost_workspaces(text, regclass) FROM public;

-- Everything but the indexes. derived computes the workspace of a row t that is still the
-- platform's, and users its user, if pg-tenancy fills that column.
CREATE PROCEDURE tenancy_private.adopt_cost_table(
    change text,
    table_name regclass,
    moment name,
    set_workspace text,
    updated text,
    is_new text,
    mark text,
    derived text,
    indexes jsonb,
    users text DEFAULT NULL
)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    is_ours boolean;
BEGIN
    -- What an earlier deploy has changed is not checked again.
    IF NOT tenancy_private.has_part(table_name, 'column', 'workspace_id', change) THEN
        CALL tenancy_private.check_cost_table(table_name, moment);
        COMMIT;
        -- A refused deploy has not begun.
        INSERT INTO tenancy_private.changes (change, state)
        VALUES (adopt_cost_table.change, 'deploying')
        ON CONFLICT ON CONSTRAINT changes_pkey DO NOTHING;
        INSERT INTO tenancy_private.adoptions (change, table_name, workspace_default)
        VALUES (adopt_cost_table.change, adopt_cost_table.table_name, 'tenancy.default_workspace_id()')
        ON CONFLICT ON CONSTRAINT adoptions_pkey DO NOTHING;
        -- Phase 5 already granted this to our roles, for deleting accounts.
        CALL tenancy_private.keep_legacy_logins(ARRAY[table_name]);
        COMMIT;
        CALL tenancy_private.patiently(
            ARRAY[table_name], 'ACCESS EXCLUSIVE', pg_catalog.format(
                'CALL tenancy_private.add_cost_ownership(%L, %L, %L, %L, %L, %L)',
                change, table_name, set_workspace, updated, is_new, mark
            )
        );
        COMMIT;
    END IF;
    CALL tenancy_private.return_cost_workspaces(change, table_name);
    is_ours := users IS NOT NULL AND tenancy_private.has_part(table_name, 'column', 'user_id', change);
    CALL tenancy_private.by_pages(change, 'workspaces', table_name, pg_catalog.format(
        'WITH w AS MATERIALIZED (SELECT t.ctid AS place, d.* FROM %%1$s AS t '
        'CROSS JOIN LATERAL (SELECT CASE t.workspace_id '
        'WHEN ''00000000-0000-0000-0000-000000000000'' THEN coalesce(%s, t.workspace_id) ELSE t.workspace_id END AS workspace_id, '
        '%s AS user_id OFFSET 0) AS d '
        'WHERE t.ctid >= $1 AND t.ctid < $2 AND (t.workspace_id <> d.workspace_id%s)), '
        'f AS MATERIALIZED (SELECT w.* FROM w INNER JOIN %%1$s AS t ON w.place = t.ctid FOR NO KEY UPDATE OF t SKIP LOCKED), '
        'u AS (UPDATE %%1$s AS t SET workspace_id = f.workspace_id%s FROM f WHERE t.ctid = f.place RETURNING 1) '
        'SELECT (SELECT pg_catalog.count(*) FROM w) AS wanted, (SELECT pg_catalog.count(*) FROM u) AS changed',
        derived,
        CASE WHEN is_ours THEN pg_catalog.format('coalesce(t.user_id, %s)', users) ELSE 'NULL' END,
        CASE WHEN is_ours THEN ' OR t.user_id IS DISTINCT FROM d.user_id' ELSE '' END,
        CASE WHEN is_ours THEN ', user_id = f.user_id' ELSE '' END
    ));
    CALL tenancy_private.want_indexes(table_name, indexes);
    -- roll_up() reads all rows of an hour, and the table may already have an index for that.
    DELETE FROM tenancy_private.wanted_indexes AS w
    WHERE w.columns[1] = moment AND EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid
        WHERE i.indrelid = w.table_name AND i.indisvalid AND i.indpred IS NULL AND c.relname NOT LIKE '%tenancy%'
            AND (tenancy_private.columns_of_index(i.indexrelid))[1] = moment
    );
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.adopt_cost_table(
    text, regclass, name, text, text, text, text, text, jsonb, text
) FROM public;

-- The revert. Everybody can read and write while the owners are copied: triggers copy
-- concurrent writes.
CREATE PROCEDURE tenancy_private.keep_cost_workspaces(change text, table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    archive CONSTANT text := tenancy_private.cost_archive(table_name);
    key CONSTANT text := (
        SELECT pg_catalog.string_agg(pg_catalog.quote_ident(k.name), ', ')
        FROM pg_catalog.unnest(tenancy_private.row_key(table_name)) AS k (name)
    );
    is_ours CONSTANT boolean := tenancy_private.has_part(table_name, 'column', 'user_id', change);
    columns CONSTANT text := key || ', workspace_id' || CASE WHEN is_ours THEN ', user_id' ELSE '' END;
    is_kept CONSTANT text := 'workspace_id <> ''00000000-0000-0000-0000-000000000000'''
        || CASE WHEN is_ours THEN ' OR user_id IS NOT NULL' ELSE '' END;
    triggers text;
BEGIN
    IF NOT tenancy_private.has_part(table_name, 'trigger', tenancy_private.name_for(table_name, 'keep_insert'), change) THEN
        IF pg_catalog.to_regnamespace('tenancy_archive') IS NULL THEN
            CREATE SCHEMA tenancy_archive;
            REVOKE ALL ON SCHEMA tenancy_archive FROM public;
        END IF;
        -- An interrupted deploy may have left rows; the table has newer values.
        IF pg_catalog.to_regclass(archive) IS NULL THEN
            EXECUTE pg_catalog.format('CREATE TABLE %s AS SELECT %s FROM %s WITH NO DATA', archive, columns, table_name);
            EXECUTE pg_catalog.format('ALTER TABLE %s ADD UNIQUE NULLS NOT DISTINCT (%s)', archive, key);
        END IF;
        EXECUTE pg_catalog.format(
            'CREATE OR REPLACE FUNCTION %1$s_keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER '
            'SET search_path = pg_catalog, pg_temp AS $f$ BEGIN '
            'INSERT INTO %1$s (%2$s) SELECT %2$s FROM changed WHERE %3$s ON CONFLICT (%4$s) DO UPDATE SET '
            'workspace_id = excluded.workspace_id%5$s; RETURN NULL; END; $f$',
            archive, columns, is_kept, key, CASE WHEN is_ours THEN ', user_id = excluded.user_id' ELSE '' END
        );
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s_keep() FROM public', archive);
        SELECT pg_catalog.string_agg(pg_catalog.format(
            'CREATE TRIGGER %1$I AFTER %2$s ON %3$s REFERENCING NEW TABLE AS changed FOR EACH STATEMENT '
            'EXECUTE FUNCTION %4$s_keep(); CALL tenancy_private.record_part(%3$L, ''trigger'', %1$L, %5$L)',
            tenancy_private.name_for(table_name, 'keep_' || pg_catalog.lower(e.event)), e.event, table_name::text, archive, change
        ), '; ')
        INTO triggers
        FROM (VALUES ('INSERT'), ('UPDATE')) AS e (event);
        CALL tenancy_private.patiently(ARRAY[table_name], 'SHARE ROW EXCLUSIVE', triggers);
        COMMIT;
    END IF;
    CALL tenancy_private.by_pages(change, 'workspaces to keep', table_name, pg_catalog.format(
        'WITH i AS (INSERT INTO %1$s (%2$s) SELECT %2$s FROM %%s WHERE ctid >= $1 AND ctid < $2 AND (%3$s) '
        'ON CONFLICT DO NOTHING RETURNING 1) '
        'SELECT pg_catalog.count(*) AS wanted, pg_catalog.count(*) AS changed FROM i',
        archive, columns, is_kept
    ));
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.keep_cost_workspaces(text, regclass) FROM public;

CREATE PROCEDURE tenancy_private.release_cost_table(change text)
LANGUAGE plpgsql
SECURITY INVOKER
AS $$
DECLARE
    table_name CONSTANT regclass := (tenancy_private.adoption_of(change)).table_name;
    archive CONSTANT text := tenancy_private.cost_archive(table_name);
    is_empty boolean;
BEGIN
    -- A deploy that was refused changed nothing.
    IF table_name IS NULL THEN
        RETURN;
    END IF;
    IF tenancy_private.has_part(table_name, 'column', 'workspace_id', change) THEN
        CALL tenancy_private.keep_cost_workspaces(change, table_name);
        CALL tenancy_private.patiently(
            ARRAY[table_name], 'ACCESS EXCLUSIVE',
            pg_catalog.format('CALL tenancy_private.drop_parts(%L, %L)', table_name, change)
        );
        COMMIT;
    END IF;
    IF pg_catalog.to_regclass(archive) IS NOT NULL THEN
        EXECUTE pg_catalog.format('DROP FUNCTION IF EXISTS %s_keep()', archive);
        EXECUTE pg_catalog.format('SELECT NOT EXISTS (SELECT FROM %s)', archive) INTO is_empty;
        IF is_empty THEN
            CALL tenancy_private.drop_archived(pg_catalog.split_part(archive, '.', 2));
        ELSE
            RAISE NOTICE 'the owners of the rows of % are kept in % until the next deploy', table_name, archive;
        END IF;
    END IF;
    CALL tenancy_private.drop_legacy_logins(ARRAY[table_name]);
    DELETE FROM tenancy_private.adoptions AS a WHERE a.change = release_cost_table.change;
    COMMIT;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.release_cost_table(text) FROM public;

-- For the verify scripts: checks the column, its triggers and the indexes.
CREATE PROCEDURE tenancy_private.verify_cost_table(table_name regclass, indexes text[])
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing text;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = table_name AND a.attname = 'workspace_id' AND a.attnotnull AND a.atthasdef
    ) THEN
        RAISE EXCEPTION '%.workspace_id is missing, may be NULL, or has no default', table_name;
    END IF;
    IF EXISTS (
        SELECT FROM pg_trigger AS t
        WHERE t.tgrelid = table_name AND t.tgname = tenancy_private.name_for(table_name, 'keep_insert')
    ) THEN
        RAISE EXCEPTION 'a revert of % was interrupted', table_name
        USING HINT = 'Revert the phase, then deploy it again.';
    END IF;
    SELECT string_agg(w.name, ', ') INTO missing
    FROM unnest(ARRAY[
        'workspace', 'workspace_update', 'mark_insert', 'mark_update', 'mark_delete', 'mark_truncate'
    ]) AS s (suffix)
    CROSS JOIN LATERAL (SELECT tenancy_private.name_for(table_name, s.suffix) AS name) AS w
    WHERE NOT EXISTS (
        SELECT FROM pg_trigger AS t
        WHERE t.tgrelid = table_name AND t.tgname = w.name AND t.tgenabled = 'A'
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'table % lacks these triggers, or they are not enabled ALWAYS: %', table_name, missing;
    END IF;
    SELECT string_agg(w.name, ', ') INTO missing
    FROM unnest(indexes) AS w (name)
    WHERE NOT EXISTS (
        SELECT FROM pg_index AS i
        INNER JOIN pg_class AS c ON i.indexrelid = c.oid
        WHERE i.indrelid = table_name AND c.relname = w.name AND i.indisvalid
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'table % lacks these indexes, or they are invalid: %', table_name, missing
        USING HINT = 'Revert the change and deploy it again, which builds them.';
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.verify_cost_table(regclass, text[]) FROM public;

\ir ../../notes/done.psql
COMMIT;
