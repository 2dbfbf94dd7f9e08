-- Revert pg-tenancy:platform/cost_rollups from pg

\set change platform/cost_rollups
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP PROCEDURE tenancy_private.verify_cost_table(regclass, text[]);
DROP PROCEDURE tenancy_private.release_cost_table(text);
DROP PROCEDURE tenancy_private.keep_cost_workspaces(text, regclass);
DROP PROCEDURE tenancy_private.adopt_cost_table(
    text, regclass, name, text, text, text, text, text, jsonb, text
);
DROP PROCEDURE tenancy_private.return_cost_workspaces(text, regclass);
DROP FUNCTION tenancy_private.cost_archive(regclass);
DROP FUNCTION tenancy_private.row_key(regclass);
DROP PROCEDURE tenancy_private.by_pages(text, text, regclass, text);
DROP PROCEDURE tenancy_private.add_cost_ownership(text, regclass, text, text, text, text);
DROP PROCEDURE tenancy_private.check_cost_table(regclass, name);
DROP FUNCTION tenancy_private.mark_all_costs();
DROP FUNCTION tenancy_private.mark_usage();
DROP FUNCTION tenancy_private.mark_costs();
DROP FUNCTION tenancy_private.cost_marked_before();
DROP FUNCTION tenancy_private.set_usage_workspace();
DROP FUNCTION tenancy_private.set_cost_workspace();

DO $$
DECLARE
    own_table regclass;
BEGIN
    FOREACH own_table IN ARRAY ARRAY[
        'tenancy_private.cost_day_parts', 'tenancy_private.cost_hour_parts', 'tenancy_private.cost_hours',
        'tenancy_private.cost_marks', 'tenancy_private.cost_state'
    ]::regclass[] LOOP
        CALL tenancy_private.forget_contract(own_table);
    END LOOP;
END;
$$;
DROP TABLE tenancy_private.cost_day_parts;
DROP TABLE tenancy_private.cost_hour_parts;
DROP TABLE tenancy_private.cost_hours;
DROP TABLE tenancy_private.cost_marks;
DROP TABLE tenancy_private.cost_state;

\ir ../../notes/done.psql
COMMIT;
