-- Deploy pg-tenancy:existing_tables to pg

BEGIN;

-- Counting must not be stopped halfway, nor be misled by policies.
SET LOCAL statement_timeout = 0;
SET LOCAL row_security = off;

DO $$
BEGIN
    IF NOT has_database_privilege(current_database(), 'TEMPORARY') THEN
        RAISE EXCEPTION '% may not make temporary tables in the database %',
            current_user, current_database()
            USING ERRCODE = '42501',
                  CONSTRAINT = 'existing_tables',
                  HINT = 'Deploy as the owner of the database with CREATEROLE, or as a superuser.';
    END IF;
END; $$;

-- Makes nothing: it looks at the tables that are there, and either says
-- everything that is wrong at once, or lets the next changes begin.
\ir ../adoption/expected.psql
\ir ../adoption/column_problems.psql
\ir ../adoption/server_release.psql

-- A remedy is a sentence, said once for all the problems that it mends.
CREATE TEMPORARY TABLE problems (
    number      integer GENERATED ALWAYS AS IDENTITY,
    problem     text    NOT NULL,
    remedy      text    NOT NULL,
    of_deployer boolean NOT NULL DEFAULT false
) ON COMMIT DROP;

DO $$
DECLARE
    version CONSTANT integer := current_setting('server_version_num')::integer;
    holes CONSTANT text := pg_temp.release_warning(version);
BEGIN
    IF version < 150000 THEN
        INSERT INTO pg_temp.problems (problem, remedy) VALUES (
            format(
                'the server is PostgreSQL %s, and must be 15 or later',
                current_setting('server_version')
            ),
            'Upgrade the server.'
        );
    ELSIF holes IS NOT NULL THEN
        RAISE WARNING '%', holes;
    END IF;
END; $$;

-- What the deployer must be allowed to do, unless it is a superuser.
INSERT INTO pg_temp.problems (problem, remedy, of_deployer)
SELECT
    format('%s %s', current_user, p.problem),
    'Give the deployer what it lacks, or deploy as a superuser.',
    true
FROM (
    SELECT format(
        'does not own the database %I (needed to open it to the roles, and for new schemas)',
        d.datname
    ) AS problem
    FROM pg_catalog.pg_database AS d
    WHERE d.datname = current_database() AND NOT pg_has_role(current_user, d.datdba, 'USAGE')
    UNION ALL
    SELECT format('has not CREATEROLE, and the role %s has to be made', r.role_name)
    FROM unnest(ARRAY[
        'tenancy_owner', 'tenancy_writer', 'tenancy_app',
        'tenancy_credentialed', 'tenancy_service', 'tenancy_auditor'
    ]) AS r (role_name)
    WHERE to_regrole(r.role_name) IS NULL
        AND NOT (
            SELECT u.rolcreaterole
            FROM pg_catalog.pg_roles AS u
            WHERE u.rolname = current_user
        )
    UNION ALL
    SELECT format('is not a member of the role %s, which is there already: as a superuser, '
        'GRANT %s TO %I WITH ADMIN OPTION;', r.role_name, r.role_name, current_user)
    FROM unnest(ARRAY['tenancy_owner', 'tenancy_writer', 'tenancy_service']) AS r (role_name)
    WHERE to_regrole(r.role_name) IS NOT NULL
        AND NOT coalesce(pg_has_role(current_user, to_regrole(r.role_name), 'USAGE'), false)
        AND NOT coalesce(
            pg_has_role(current_user, to_regrole(r.role_name), 'USAGE WITH ADMIN OPTION'), false
        )
        -- Before 16, CREATEROLE is enough to grant oneself any role.
        AND NOT (
            current_setting('server_version_num')::integer < 160000
            AND (
                SELECT u.rolcreaterole
                FROM pg_catalog.pg_roles AS u
                WHERE u.rolname = current_user
            )
        )
    UNION ALL
    SELECT format('may not grant USAGE and CREATE on the schema %s', n.nspname)
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname IN ('public', 'finops')
        AND NOT (
            has_schema_privilege(current_user, n.oid, 'USAGE WITH GRANT OPTION')
            AND has_schema_privilege(current_user, n.oid, 'CREATE WITH GRANT OPTION')
        )
    UNION ALL
    -- A member of a superuser could become it, and own far more than a table.
    SELECT format(
        'is neither the owner of %s nor a member of its owner %I: as a superuser, %s;',
        t.relation, o.rolname, CASE
            WHEN o.rolsuper THEN format('ALTER TABLE %s OWNER TO %I', t.relation, current_user)
            ELSE format('GRANT %I TO %I', o.rolname, current_user) || CASE
                WHEN current_setting('server_version_num')::integer < 160000 THEN ''
                ELSE ' WITH INHERIT TRUE'
            END
        END
    )
    FROM pg_temp.expected_tables AS t
    INNER JOIN pg_catalog.pg_class AS c ON t.relation = c.oid
    INNER JOIN pg_catalog.pg_roles AS o ON c.relowner = o.oid
    WHERE NOT pg_has_role(current_user, c.relowner, 'USAGE')
) AS p
WHERE NOT (SELECT u.rolsuper FROM pg_catalog.pg_roles AS u WHERE u.rolname = current_user);

INSERT INTO pg_temp.problems (problem, remedy)
SELECT c.problem, 'Make the tables and columns above what they must be.'
FROM pg_temp.column_problems AS c
ORDER BY c.schema_name DESC, c.table_name, c.position;

-- On a partitioned table neither an index can be built concurrently nor a
-- foreign key be added without looking at the rows at once.
INSERT INTO pg_temp.problems (problem, remedy)
SELECT
    format('%s is partitioned and lacks %s', m.relation, string_agg(m.what, ', ' ORDER BY m.what)),
    'Add what a partitioned table lacks in a way that suits its partitions, or replace it by an '
    'ordinary table.'
FROM (
    SELECT
        k.relation,
        format('a %s on (%s)', lower(k.kind), array_to_string(k.columns, ', ')) AS what
    FROM pg_temp.missing_primary_keys AS k
    UNION ALL
    SELECT i.relation, format('an index that begins with %s', i.columns[1])
    FROM pg_temp.missing_foreign_key_indexes AS i
    UNION ALL
    SELECT f.relation, format('a foreign key on %s', f.column_name)
    FROM pg_temp.missing_foreign_keys AS f
) AS m
INNER JOIN pg_catalog.pg_class AS c ON m.relation = c.oid AND c.relkind = 'p'
GROUP BY m.relation;

-- Rows that the missing keys would not allow. A key is looked at only when its
-- columns are there and of the right type, and by a deployer who may read them.
DO $$
DECLARE
    candidate record;
    found bigint;
BEGIN
    IF EXISTS (SELECT FROM pg_temp.problems AS p WHERE p.of_deployer) THEN
        RETURN;
    END IF;
    FOR candidate IN
        WITH usable AS (
            SELECT t.relation
            FROM pg_temp.expected_tables AS t
            INNER JOIN pg_catalog.pg_class AS c ON t.relation = c.oid AND c.relkind IN ('r', 'p')
            WHERE NOT EXISTS (
                SELECT FROM pg_temp.column_problems AS p
                WHERE (p.schema_name, p.table_name) = (t.schema_name, t.table_name)
            )
        )

        SELECT
            k.relation,
            1 AS step,
            format('%I is null', c.column_name) AS what,
            format('SELECT * FROM %s WHERE %I IS NULL', k.relation, c.column_name) AS query
        FROM pg_temp.missing_primary_keys AS k
        CROSS JOIN LATERAL unnest(k.columns) AS c (column_name)
        INNER JOIN usable AS u ON k.relation = u.relation
        UNION ALL
        SELECT
            k.relation,
            2,
            format('%s is not unique', q.columns),
            format(
                'SELECT * FROM %s WHERE (%s) IN (SELECT %s FROM %s GROUP BY %s HAVING count(*) > 1)',
                k.relation, q.columns, q.columns, k.relation, q.columns
            )
        FROM pg_temp.missing_primary_keys AS k
        CROSS JOIN LATERAL (
            SELECT string_agg(quote_ident(c.column_name), ', ' ORDER BY c.position) AS columns
            FROM unnest(k.columns) WITH ORDINALITY AS c (column_name, position)
        ) AS q
        INNER JOIN usable AS u ON k.relation = u.relation
        UNION ALL
        SELECT
            f.relation,
            3,
            format('%I refers to no row of %s.%s', f.column_name, e.referred_schema, e.referred_table),
            f.orphans
        FROM pg_temp.missing_foreign_keys AS f
        INNER JOIN pg_temp.expected_foreign_keys AS e
            ON f.relation = e.relation AND f.column_name = e.column_name
        INNER JOIN usable AS u ON f.relation = u.relation
        LEFT JOIN usable AS r ON f.referred = r.relation
        WHERE f.referred IS NULL OR r.relation IS NOT NULL
        ORDER BY relation, step, what
    LOOP
        EXECUTE format('SELECT count(*) FROM (%s) AS q', candidate.query) INTO found;
        IF found > 0 THEN
            INSERT INTO pg_temp.problems (problem, remedy) VALUES (
                format(
                    '%s: %s %s: %s;',
                    candidate.relation, found,
                    CASE found WHEN 1 THEN 'row whose ' ELSE 'rows whose ' END || candidate.what,
                    candidate.query
                ),
                'Each query above finds the rows that it stands with: mend or delete them.'
            );
        END IF;
    END LOOP;
END; $$;

DO $$
DECLARE
    problem_count bigint;
    list text;
    remedies text;
BEGIN
    SELECT count(*), string_agg(p.problem, E'\n' ORDER BY p.number)
    INTO problem_count, list
    FROM pg_temp.problems AS p;
    SELECT string_agg(r.remedy, ' ' ORDER BY r.number)
    INTO remedies
    FROM (
        SELECT p.remedy, min(p.number) AS number
        FROM pg_temp.problems AS p
        GROUP BY p.remedy
    ) AS r;
    IF problem_count > 0 THEN
        RAISE EXCEPTION '%', CASE problem_count
            WHEN 1 THEN 'one problem has to be mended before the deploy'
            ELSE format('%s problems have to be mended before the deploy', problem_count)
        END
            USING ERRCODE = '55000',
                  CONSTRAINT = 'existing_tables',
                  DETAIL = list,
                  HINT = format('Nothing was changed. %s Then deploy again.', remedies);
    END IF;
END; $$;

-- Not a problem, but worth knowing.
DO $$
DECLARE
    naive text;
BEGIN
    SELECT string_agg(format('%s.%I', e.relation, e.column_name), ', ')
    INTO naive
    FROM pg_temp.expected_columns AS e
    INNER JOIN pg_catalog.pg_attribute AS a
        ON e.relation = a.attrelid AND e.column_name = a.attname AND NOT a.attisdropped
    WHERE a.atttypid = 'timestamp without time zone'::regtype;
    IF naive IS NOT NULL THEN
        RAISE NOTICE 'without time zone, and therefore read in that of each session: %', naive;
    END IF;
END; $$;

ROLLBACK;
