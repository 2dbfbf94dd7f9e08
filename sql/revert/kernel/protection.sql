-- Revert pg-tenancy:kernel/protection from pg

\set change kernel/protection
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DO $$
DECLARE
    protected CONSTANT text := (
        SELECT string_agg(p.table_name::text, ', ' ORDER BY p.table_name::text) FROM tenancy_private.protected_tables AS p
    );
BEGIN
    IF protected IS NOT NULL THEN
        RAISE EXCEPTION 'these tables are still protected: %', protected
        USING ERRCODE = '55000',
        CONSTRAINT = 'tables_protected',
        HINT = 'CALL tenancy.unprotect() for each, then revert again: which row belongs to whom is kept.';
    END IF;
END;
$$;

DROP PROCEDURE tenancy_private.verify_protected(regclass[]);
DROP FUNCTION tenancy.writable_columns(regclass);
DROP PROCEDURE tenancy.publish(regclass, text);
DROP PROCEDURE tenancy.unprotect(regclass);
DROP PROCEDURE tenancy_private.forget_table(regclass);
DROP PROCEDURE tenancy_private.revoke_unneeded_read(regclass);
DROP PROCEDURE tenancy.allow(regclass, text, text, text, boolean, text);
DROP PROCEDURE tenancy_private.grant_sequences(regclass, name);
DROP FUNCTION tenancy_private.split_columns(text);
DROP PROCEDURE tenancy_private.require_type(regclass, name[], regtype);
DROP PROCEDURE tenancy_private.default_to_workspace(regclass, name);
DROP PROCEDURE tenancy_private.require_named(regclass, text, name[]);
DROP PROCEDURE tenancy_private.require_columns(regclass, name[]);
DROP PROCEDURE tenancy_private.set_permission_trigger(regclass);
DROP PROCEDURE tenancy.protect(regclass, name, name, name, name, boolean, text);
DROP FUNCTION tenancy_private.shared_numbers(regclass, name);
DROP PROCEDURE tenancy_private.warn_of_orphans(regclass, name);
DROP PROCEDURE tenancy_private.refuse_shipped(regclass);
DROP PROCEDURE tenancy_private.revise(regclass[]);
DROP PROCEDURE tenancy_private.close_protected(tenancy_private.protected_tables);
DROP FUNCTION tenancy_private.is_revised(regclass);
DROP PROCEDURE tenancy_private.warn_of_views(regclass);
DROP PROCEDURE tenancy_private.require_closed_partitions(regclass);
DROP PROCEDURE tenancy_private.follow_parent(tenancy_private.protected_tables);
DROP PROCEDURE tenancy_private.open_to_children(tenancy_private.protected_tables);
DROP PROCEDURE tenancy_private.add_readers_of_all(regclass);
DROP PROCEDURE tenancy_private.set_floor(tenancy_private.protected_tables, text, text);
DROP PROCEDURE tenancy_private.add_policy(regclass, text, text, text, text, text);
DROP FUNCTION tenancy.check_permission();
DROP FUNCTION tenancy.require_access(regclass, text);

\ir ../../notes/done.psql
COMMIT;
