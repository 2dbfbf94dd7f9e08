-- Deploy pg-tenancy:kernel/archive_helpers to pg
-- requires: kernel/schemas

\set change kernel/archive_helpers
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- The older schema has no place for some of the data that users entered. A revert first copies
-- those rows into the schema tenancy_archive, and the next deploy restores them. The schema
-- belongs to the login that reverts, because the same revert may drop tenancy_owner.
CREATE PROCEDURE tenancy_private.archive_table(table_name regclass)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation CONSTANT name := (SELECT c.relname FROM pg_class AS c WHERE c.oid = table_name);
BEGIN
    IF to_regnamespace('tenancy_archive') IS NULL THEN
        CREATE SCHEMA tenancy_archive;
        REVOKE ALL ON SCHEMA tenancy_archive FROM public;
    END IF;
    EXECUTE format('CREATE TABLE tenancy_archive.%I AS TABLE %s', relation, table_name);
    RAISE NOTICE 'rows of % are kept in tenancy_archive.% until the next deploy', table_name, relation;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.archive_table(regclass) FROM public;
COMMENT ON PROCEDURE tenancy_private.archive_table (regclass) IS
'Copies a table into the schema tenancy_archive, for a revert that is about to drop it.';

-- Called at the end of a deploy that restored the rows.
CREATE PROCEDURE tenancy_private.drop_archived(relation name)
LANGUAGE plpgsql
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('DROP TABLE tenancy_archive.%I', relation);
    IF NOT EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = 'tenancy_archive'::regnamespace) THEN
        DROP SCHEMA tenancy_archive;
    END IF;
END;
$$;
REVOKE ALL ON ROUTINE tenancy_private.drop_archived(name) FROM public;
COMMENT ON PROCEDURE tenancy_private.drop_archived (name) IS
'Drops a table of the schema tenancy_archive, and the schema after its last table.';

\ir ../../notes/done.psql
COMMIT;
