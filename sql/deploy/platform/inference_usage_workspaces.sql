-- Deploy pg-tenancy:platform/inference_usage_workspaces to pg
-- requires: platform/cost_rollups
-- requires: platform/instances_workspaces
-- requires: kernel/api_keys_workspaces

\set change platform/inference_usage_workspaces
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.

-- customer_id is not used: it refers to customers, who are not users. No key
-- refers to a workspace or a user: records of spending outlive the spender.
CALL tenancy_private.adopt_cost_table(
    'platform/inference_usage_workspaces', 'finops.inference_usage',
    moment => 'occurred_at',
    set_workspace => 'tenancy_private.set_usage_workspace',
    updated => 'consumer_organization_id, api_key_id, user_id, instance_id',
    is_new =>
    'new.consumer_organization_id IS NOT NULL '
    'AND new.consumer_organization_id IS DISTINCT FROM old.consumer_organization_id '
    'OR new.api_key_id IS NOT NULL AND new.api_key_id IS DISTINCT FROM old.api_key_id '
    'OR new.user_id IS NOT NULL AND new.user_id IS DISTINCT FROM old.user_id '
    'OR new.instance_id IS NOT NULL AND new.instance_id IS DISTINCT FROM old.instance_id',
    mark => 'tenancy_private.mark_usage',
    derived =>
    'coalesce(t.consumer_organization_id, '
    '(SELECT k.workspace_id FROM public.api_keys AS k WHERE k.id = t.api_key_id), t.user_id, '
    '(SELECT i.workspace_id FROM public.instances AS i WHERE i.id = t.instance_id))',
    users => '(SELECT k.user_id FROM public.api_keys AS k WHERE k.id = t.api_key_id)',
    indexes => '{
        "inference_usage_tenancy_workspace_idx": {"columns": ["workspace_id", "occurred_at"]},
        "inference_usage_tenancy_provider_idx": {
            "columns": ["provider_organization_id", "occurred_at", "workspace_id"],
            "condition": "provider_organization_id IS NOT NULL"
        },
        "inference_usage_tenancy_moment_idx": {"columns": ["occurred_at", "workspace_id"]}
    }'
);
\ir ../../adoption/build_indexes.psql

\ir ../../notes/done.psql
