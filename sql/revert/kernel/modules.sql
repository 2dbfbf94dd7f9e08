-- Revert pg-tenancy:kernel/modules from pg

\set change kernel/modules
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.define_module(text, text, text, text[], text, text[], integer);
DROP FUNCTION tenancy.require_module(text);
DROP FUNCTION tenancy.visible_modules();
DROP FUNCTION tenancy_private.module_reason(tenancy.modules, text);
DROP FUNCTION tenancy_private.module_state(tenancy.modules);

-- Keeps the application's own modules.
DO $$
BEGIN
    LOCK TABLE tenancy.modules IN ACCESS EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM tenancy.modules) THEN
        CALL tenancy_private.archive_table('tenancy.modules');
    END IF;
END;
$$;

CALL tenancy_private.forget_contract('tenancy.modules');
DROP TABLE tenancy.modules;

\ir ../../notes/done.psql
COMMIT;
