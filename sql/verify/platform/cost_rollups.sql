-- Verify pg-tenancy:platform/cost_rollups on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
BEGIN
    IF (SELECT count(*) FROM tenancy_private.cost_state AS s) <> 1 THEN
        RAISE EXCEPTION 'tenancy_private.cost_state must have one row';
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.set_cost_workspace()',
    'tenancy_private.set_usage_workspace()',
    'tenancy_private.cost_marked_before()',
    'tenancy_private.mark_costs()',
    'tenancy_private.mark_usage()',
    'tenancy_private.mark_all_costs()',
    'tenancy_private.check_cost_table(regclass, name)',
    'tenancy_private.add_cost_ownership(text, regclass, text, text, text, text)',
    'tenancy_private.row_key(regclass)',
    'tenancy_private.cost_archive(regclass)',
    'tenancy_private.verify_cost_table(regclass, text[])'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.by_pages(text, text, regclass, text)',
    'tenancy_private.return_cost_workspaces(text, regclass)',
    'tenancy_private.adopt_cost_table(text,regclass,name,text,text,text,text,text,jsonb,text)',
    'tenancy_private.keep_cost_workspaces(text, regclass)',
    'tenancy_private.release_cost_table(text)'
], pinned => false);

ROLLBACK;
