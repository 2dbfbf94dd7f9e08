-- Deploy pg-tenancy:platform/cost_actual_minute_workspaces to pg
-- requires: platform/cost_rollups
-- requires: platform/instances_workspaces

\set change platform/cost_actual_minute_workspaces
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

-- Not one transaction: the table stays in use, and after an interruption the
-- next deploy continues.

-- The writers of minutes name instances, not workspaces. Rows without an instance are
-- totals, and belong to the platform. No foreign key refers to a workspace, because costs
-- outlive it.
CALL tenancy_private.adopt_cost_table(
    'platform/cost_actual_minute_workspaces', 'finops.cost_actual_minute',
    moment => 'bucket_minute',
    set_workspace => 'tenancy_private.set_cost_workspace',
    updated => 'instance_id',
    is_new => 'new.instance_id IS DISTINCT FROM old.instance_id AND new.instance_id IS NOT NULL',
    mark => 'tenancy_private.mark_costs',
    derived => '(SELECT i.workspace_id FROM public.instances AS i WHERE i.id = t.instance_id)',
    indexes => '{
        "cost_actual_minute_tenancy_workspace_idx": {"columns": ["workspace_id", "bucket_minute"]},
        "cost_actual_minute_tenancy_minute_idx": {"columns": ["bucket_minute", "workspace_id"]}
    }'
);
\ir ../../adoption/build_indexes.psql

\ir ../../notes/done.psql
