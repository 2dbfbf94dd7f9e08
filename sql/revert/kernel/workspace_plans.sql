-- Revert pg-tenancy:kernel/workspace_plans from pg

\set change kernel/workspace_plans
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.users', 'public.organizations', 'tenancy.workspaces']::regclass[],
    'ACCESS EXCLUSIVE', 'SELECT'
);

DO $$
DECLARE
    added record;
BEGIN
    FOR added IN
        SELECT t.tgrelid::regclass AS table_name, t.tgname
        FROM pg_trigger AS t
        WHERE t.tgrelid IN ('public.users'::regclass, 'public.organizations'::regclass)
            AND t.tgfoid = 'tenancy_private.take_plan()'::regprocedure
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', added.tgname, added.table_name);
        CALL tenancy_private.forget_triggers(added.table_name, added.tgname);
    END LOOP;
END;
$$;
DROP TRIGGER workspaces_plans ON tenancy.workspaces;
CALL tenancy_private.forget_triggers('tenancy.workspaces', 'workspaces_plans');
DROP FUNCTION tenancy_private.give_plan();
DROP FUNCTION tenancy_private.take_plan();
DROP FUNCTION tenancy_private.known_color(text, uuid);
DROP FUNCTION tenancy_private.known_plan(text);
DROP FUNCTION tenancy_private.plan_columns(regclass);

\ir ../../notes/done.psql
COMMIT;
