-- Verify pg-tenancy:kernel/base_tables on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

\set part kernel
\ir ../../adoption/expected.psql
\ir ../../adoption/column_problems.psql

DO $$
DECLARE
    wrong text;
BEGIN
    SELECT string_agg(format('%s.%s', t.schema_name, t.table_name), ', ')
    INTO wrong
    FROM pg_temp.expected_tables AS t
    WHERE to_regclass(format('%I.%I', t.schema_name, t.table_name)) IS NULL;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'tables are missing: %', wrong;
    END IF;

    SELECT string_agg(c.problem, E'\n' ORDER BY c.schema_name DESC, c.table_name, c.position)
    INTO wrong
    FROM pg_temp.column_problems AS c;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'columns differ from what the changes need'
            USING DETAIL = wrong;
    END IF;

    SELECT string_agg(format('%s (%s)', t.relation, p.privilege), ', ')
    INTO wrong
    FROM pg_temp.expected_tables AS t
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
    WHERE NOT has_table_privilege('tenancy_service', t.relation, p.privilege);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'tenancy_service lacks privileges on %', wrong;
    END IF;

    SELECT string_agg(t.relation::text, ', ')
    INTO wrong
    FROM pg_temp.expected_tables AS t
    INNER JOIN pg_catalog.pg_class AS c ON t.relation = c.oid
    WHERE c.relowner = 'tenancy_owner'::regrole
        AND EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee = 0);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'PUBLIC has privileges on %', wrong;
    END IF;

    SELECT string_agg(format('%s (%s)', n.nspname, r.role_name), ', ')
    INTO wrong
    FROM pg_catalog.pg_namespace AS n
    CROSS JOIN unnest(ARRAY['tenancy_owner', 'tenancy_service']) AS r (role_name)
    WHERE n.nspname = 'public'
        AND NOT has_schema_privilege(r.role_name, n.oid, 'USAGE');
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'USAGE is missing on the schemas %', wrong;
    END IF;
END; $$;

ROLLBACK;
