-- A rental platform's tables outside of the phases: the workbench, in which people talk to
-- models, and the children of instances. Run it as a DBA after phase 5, and undo each table
-- with tenancy.unprotect().

SELECT tenancy.define_permission('workbench.view', roles => '{owner,admin,manager,user}');
SELECT tenancy.define_permission('workbench.use', roles => '{owner,admin,manager,user}');
SELECT tenancy.define_permission('workbench.moderate', roles => '{owner,admin}');

-- Rows of an author, private or shared with the organization.
CALL tenancy.protect('public.workbench_projects', author => 'created_by_user_id', shared => 'shared_with_org');
CALL tenancy.allow(
    'public.workbench_projects', 'SELECT', 'workbench.view', columns => 'id, name, shared_with_org, created_at, deleted_at'
);
CALL tenancy.allow('public.workbench_projects', 'INSERT', 'workbench.use', columns => 'id, name, shared_with_org');
CALL tenancy.allow(
    'public.workbench_projects', 'UPDATE', 'workbench.use', columns => 'name, shared_with_org, deleted_at'
);
CALL tenancy.allow('public.workbench_projects', 'DELETE', 'workbench.use');

CALL tenancy.protect('public.workbench_runs', author => 'created_by_user_id', shared => 'shared_with_org');
-- Existing rows belong to the platform until they are assigned; messages move with their run.
-- Repeat it until it assigns nothing.
SELECT tenancy.assign('public.workbench_projects', o.id, format('organization_id = %L', o.id))
FROM public.organizations AS o;
SELECT tenancy.assign('public.workbench_runs', o.id, format('organization_id = %L', o.id))
FROM public.organizations AS o;

-- A run must belong to a project in the same workspace, so its foreign key must include the
-- workspace before people may write it.
ALTER TABLE public.workbench_runs
DROP CONSTRAINT workbench_runs_project_id_fkey,
ADD CONSTRAINT workbench_runs_project_id_fkey
FOREIGN KEY (workspace_id, project_id) REFERENCES public.workbench_projects (workspace_id, id) ON DELETE CASCADE
NOT VALID;
ALTER TABLE public.workbench_runs VALIDATE CONSTRAINT workbench_runs_project_id_fkey;
CALL tenancy.allow(
    'public.workbench_runs', 'SELECT', 'workbench.view',
    columns => 'id, project_id, model_id, shared_with_org, started_at'
);
CALL tenancy.allow(
    'public.workbench_runs', 'INSERT', 'workbench.use', columns => 'id, project_id, model_id, shared_with_org'
);
CALL tenancy.allow('public.workbench_runs', 'UPDATE', 'workbench.use', columns => 'shared_with_org');
CALL tenancy.allow('public.workbench_runs', 'DELETE', 'workbench.use');

-- The messages of a run are visible with it.
CALL tenancy.protect('public.workbench_messages', parent => 'run_id');
CALL tenancy.allow(
    'public.workbench_messages', 'SELECT', 'workbench.view', columns => 'id, run_id, role, content, created_at'
);
CALL tenancy.allow('public.workbench_messages', 'INSERT', 'workbench.use', columns => 'id, run_id, role, content');

-- Keeps the application's own column up to date.
ALTER TABLE public.workbench_projects ALTER COLUMN organization_id SET DEFAULT tenancy.default_organization_id();
ALTER TABLE public.workbench_runs ALTER COLUMN organization_id SET DEFAULT tenancy.default_organization_id();

-- Children of an instance have its tenant. The platform's services write them.
CREATE UNIQUE INDEX CONCURRENTLY instances_workspace_idx ON public.instances (workspace_id, id);
CALL tenancy.protect('public.instance_state_history', parent => 'instance_id');
CALL tenancy.allow(
    'public.instance_state_history', 'SELECT', 'instances.view',
    columns => 'id, instance_id, from_status, to_status, changed_at'
);
CALL tenancy.protect('public.instance_volumes', parent => 'instance_id');
CALL tenancy.allow(
    'public.instance_volumes', 'SELECT', 'instances.view', columns => 'id, instance_id, size_gb, status, deleted_at'
);
CALL tenancy.protect('public.instance_metrics', parent => 'instance_id');
CALL tenancy.allow(
    'public.instance_metrics', 'SELECT', 'instances.view',
    columns => 'instance_id, sampled_at, gpu_percent, vram_used_mb'
);
-- Nobody in a workspace may read a worker's token.
CALL tenancy.protect('public.worker_auth_tokens', parent => 'instance_id');

CALL tenancy.publish('public.regions', columns => 'id, provider_id, code');
CALL tenancy.publish('public.zones', columns => 'id, region_id, code, is_active');
CALL tenancy.publish(
    'public.instance_types', columns => 'id, provider_id, name, gpu_count, vram_per_gpu_gb, cost_per_hour'
);
CALL tenancy.publish('public.action_types', columns => 'code, label');
