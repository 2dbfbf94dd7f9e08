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
DROP PROCEDURE tenancy.protect(regclass, name, name, name, name, boolean, text);
DROP FUNCTION tenancy.check_permission();
DROP FUNCTION tenancy.require_access(regclass, text);

\ir ../../notes/done.psql
COMMIT;
