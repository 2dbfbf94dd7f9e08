-- Deploy pg-tenancy:kernel/lint to pg
-- requires: kernel/schemas

\set change kernel/lint
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- One function for each rule; pg-tenancy lint takes the queries from the same files. They
-- read only the catalog, as the caller.
\ir ../../lint/facts.psql
\ir ../../lint/tables.psql
\ir ../../lint/policies.psql
\ir ../../lint/doors.psql
\ir ../../lint/logins.psql
\ir ../../lint/server.psql
\ir ../../lint/keys.psql
\ir ../../lint/indexes.psql

-- If a rule fails, the whole call fails, so that nobody takes an incomplete result for a
-- complete one.
CREATE FUNCTION tenancy.lint(tenant_columns text[] DEFAULT NULL, trusted_roles text[] DEFAULT NULL)
RETURNS TABLE (rule text, severity text, object text, problem text, remedy text)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
-- Compiling these queries would take longer than running them.
SET jit = off
AS $$
DECLARE
    -- One query with the bodies of all rules, so that each fact is computed only once.
    facts CONSTANT text := (
        SELECT string_agg(format('%I AS MATERIALIZED (%s)', p.proname, b.body), ', ')
        FROM pg_proc AS p
        CROSS JOIN LATERAL (SELECT regexp_replace(p.prosrc, 'tenancy_private\.(linted_\w+)\(\)', '\1', 'g') AS body) AS b
        WHERE p.pronamespace = 'tenancy_private'::regnamespace AND p.proname LIKE 'linted\_%'
    );
    answers CONSTANT text := (
        SELECT string_agg(
            format('SELECT %L, f.* FROM (%s) AS f (severity, object, problem, remedy)', substr(p.proname, 6), b.body),
            ' UNION ALL '
        )
        FROM pg_proc AS p
        CROSS JOIN LATERAL (SELECT regexp_replace(p.prosrc, 'tenancy_private\.(linted_\w+)\(\)', '\1', 'g') AS body) AS b
        WHERE p.pronamespace = 'tenancy_private'::regnamespace AND p.proname LIKE 'lint\_%'
    );
BEGIN
    PERFORM set_config('tenancy_lint.tenant_columns', coalesce(tenant_columns::text, ''), true),
        set_config('tenancy_lint.trusted_roles', coalesce(trusted_roles::text, ''), true);
    -- RECURSIVE lets facts use each other in any order.
    RETURN QUERY EXECUTE format('WITH RECURSIVE %s %s ORDER BY 1, 3, 4', facts, answers);
    PERFORM set_config('tenancy_lint.tenant_columns', '', true), set_config('tenancy_lint.trusted_roles', '', true);
END;
$$;
COMMENT ON FUNCTION tenancy.lint(text[], text[]) IS
'Known leaks and slow policies in this database''s row-level security: one row for each '
'finding. tenant_columns: names of the columns that hold the tenant; trusted_roles: roles that may see everything.';

DO $$
DECLARE
    made regprocedure;
BEGIN
    FOR made IN
        SELECT p.oid
        FROM pg_proc AS p
        WHERE p.pronamespace = 'tenancy_private'::regnamespace AND p.proname ~ '^lint(ed)?_'
            OR p.oid = 'tenancy.lint(text[], text[])'::regprocedure
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM public', made);
    END LOOP;
END;
$$;

\ir ../../notes/done.psql
COMMIT;
