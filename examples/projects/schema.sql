-- The application's tables and their contracts. A superuser runs it after
-- "pg-tenancy deploy --plan kernel".
BEGIN;

CREATE TABLE public.projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE public.tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid NOT NULL REFERENCES public.projects (id) ON DELETE CASCADE,
    title text NOT NULL,
    is_done boolean NOT NULL DEFAULT false
);

SELECT
    tenancy.define_permission('projects.view', roles => '{owner,admin,manager,user}'),
    tenancy.define_permission('projects.write', roles => '{owner,admin}'),
    tenancy.define_permission('tasks.work', roles => '{owner,admin,manager,user}');

CALL tenancy.protect('public.projects');
CALL tenancy.allow('public.projects', 'SELECT', 'projects.view', columns => 'id, name, status, created_at');
CALL tenancy.allow('public.projects', 'INSERT', 'projects.write', columns => 'id, name, status');
CALL tenancy.allow('public.projects', 'UPDATE', 'projects.write', columns => 'name, status');
CALL tenancy.allow('public.projects', 'DELETE', 'projects.write');

CALL tenancy.protect('public.tasks', parent => 'project_id');
CALL tenancy.allow('public.tasks', 'SELECT', 'projects.view', columns => 'id, project_id, title, is_done');
CALL tenancy.allow('public.tasks', 'INSERT', 'tasks.work', columns => 'id, project_id, title');
CALL tenancy.allow('public.tasks', 'UPDATE', 'tasks.work', columns => 'title, is_done');
CALL tenancy.allow('public.tasks', 'DELETE', 'projects.write');

-- With the rights of the caller.
CREATE VIEW public.open_projects WITH (security_invoker = true) AS
SELECT id, name FROM public.projects WHERE status = 'open';
GRANT SELECT ON public.open_projects TO tenancy_app;

-- With the rights of its owner, which sees every workspace, so it restricts the workspace itself.
-- The owner is a service, because a superuser, who creates it, may do more than see.
CREATE FUNCTION public.progress(project uuid) RETURNS numeric
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
SELECT round(avg(is_done::integer), 2) FROM public.tasks
WHERE project_id = project AND workspace_id = tenancy.current_workspace_id()
$$;
REVOKE ALL ON FUNCTION public.progress(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.progress(uuid) TO tenancy_app;
ALTER FUNCTION public.progress(uuid) OWNER TO tenancy_service;

COMMIT;
