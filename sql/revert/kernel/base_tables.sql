-- Revert pg-tenancy:kernel/base_tables from pg

\set change kernel/base_tables
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

REVOKE ALL ON
    public.users,
    public.organizations,
    public.organization_memberships,
    public.api_keys
FROM tenancy_service;

-- A table created by pg-tenancy is dropped if it is empty. Otherwise it moves to the archive
-- with its rows, and the next deploy restores it.
DO $$
DECLARE
    own record;
    has_rows boolean;
    archived_name name;
BEGIN
    FOR own IN
        SELECT n.nspname AS schema_name, c.relname AS table_name, c.oid::regclass AS relation
        FROM pg_catalog.pg_class AS c
        INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
        WHERE c.relowner = 'tenancy_owner'::regrole
            AND c.relkind IN ('r', 'p')
            AND (n.nspname, c.relname) IN (
                ('public', 'users'),
                ('public', 'organizations'),
                ('public', 'organization_memberships'),
                ('public', 'api_keys')
            )
        ORDER BY n.nspname, c.relname
    LOOP
        -- Locked before it is checked, so that no row is added in between.
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', own.relation);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', own.relation) INTO has_rows;
        IF NOT has_rows THEN
            EXECUTE format('DROP TABLE %s', own.relation);
            CONTINUE;
        END IF;
        IF to_regnamespace('tenancy_archive') IS NULL THEN
            CREATE SCHEMA tenancy_archive;
            COMMENT ON SCHEMA tenancy_archive IS
            'Rows of pg-tenancy that a revert kept. Deploying again takes them back.';
        END IF;
        archived_name := CASE own.schema_name WHEN 'public' THEN '' ELSE own.schema_name || '_' END
            || own.table_name;
        EXECUTE format('ALTER TABLE %s OWNER TO CURRENT_USER', own.relation);
        EXECUTE format('ALTER TABLE %s SET SCHEMA tenancy_archive', own.relation);
        IF archived_name <> own.table_name THEN
            EXECUTE format('ALTER TABLE tenancy_archive.%I RENAME TO %I',
                own.table_name, archived_name);
        END IF;
        RAISE NOTICE 'the rows of %.% are kept in tenancy_archive.%',
            own.schema_name, own.table_name, archived_name;
    END LOOP;
END; $$;

REVOKE ALL ON SCHEMA public FROM tenancy_service;
REVOKE ALL ON SCHEMA public FROM tenancy_owner;

\ir ../../notes/done.psql
COMMIT;
