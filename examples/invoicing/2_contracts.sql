-- Access to the tables. Deployed after the kernel, in one transaction, because the tables are small.
BEGIN;

SET LOCAL lock_timeout = '2s';

SELECT
    tenancy.define_permission('projects.view', roles => '{owner,admin,manager,user}'),
    tenancy.define_permission('projects.create', roles => '{owner,admin,manager}'),
    tenancy.define_permission('projects.update', roles => '{owner,admin,manager}'),
    tenancy.define_permission('tasks.work', roles => '{owner,admin,manager,user}'),
    tenancy.define_permission('invoices.view', roles => '{owner,admin,manager}'),
    tenancy.define_permission('invoices.create', roles => '{owner,admin}'),
    tenancy.define_permission('notes.write', roles => '{owner,admin,manager,user}'),
    tenancy.define_permission('notes.moderate', roles => '{owner}');

CALL tenancy.protect('public.customers');
CALL tenancy.allow('public.customers', 'SELECT', 'projects.view', columns => 'id, name, created_at');
CALL tenancy.allow('public.customers', 'INSERT', 'projects.create', columns => 'name');
CALL tenancy.allow('public.customers', 'UPDATE', 'projects.update', columns => 'name');

-- Children have their parent's tenant.
CALL tenancy.protect('public.projects', parent => 'customer_id');
CALL tenancy.allow('public.projects', 'SELECT', 'projects.view', columns => 'id, customer_id, name, status');
CALL tenancy.allow('public.projects', 'INSERT', 'projects.create', columns => 'customer_id, name');
CALL tenancy.allow('public.projects', 'UPDATE', 'projects.update', columns => 'name, status');

CALL tenancy.protect('public.tasks', parent => 'project_id');
CALL tenancy.allow('public.tasks', 'SELECT', 'projects.view', columns => 'id, project_id, title, is_done');
CALL tenancy.allow('public.tasks', 'INSERT', 'tasks.work', columns => 'project_id, title');
CALL tenancy.allow('public.tasks', 'UPDATE', 'tasks.work', columns => 'title, is_done');
CALL tenancy.allow('public.tasks', 'DELETE', 'projects.update');

-- margin is not listed, so nobody in a workspace can read it.
CALL tenancy.protect('public.invoices', parent => 'customer_id');
CALL tenancy.allow('public.invoices', 'SELECT', 'invoices.view', columns => 'id, customer_id, amount, sent_at');
CALL tenancy.allow('public.invoices', 'INSERT', 'invoices.create', columns => 'customer_id, amount', person => true);

-- A person sees their own notes and shared ones.
CALL tenancy.protect('public.notes', author => 'account_id', shared => 'is_shared');
CALL tenancy.allow('public.notes', 'SELECT', 'projects.view', columns => 'id, account_id, is_shared, body, created_at');
CALL tenancy.allow('public.notes', 'INSERT', 'notes.write', columns => 'is_shared, body');
CALL tenancy.allow('public.notes', 'UPDATE', 'notes.write', columns => 'is_shared, body');
CALL tenancy.allow('public.notes', 'DELETE', 'notes.write');

CALL tenancy.publish('public.currencies', columns => 'code, name');

COMMIT;
