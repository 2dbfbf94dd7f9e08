-- Revert pg-tenancy:platform/models_functions from pg

\set change platform/models_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces', 'public.models']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER workspaces_models ON tenancy.workspaces;
DROP TRIGGER models_tenancy_used ON public.models;
CALL tenancy_private.forget_triggers('tenancy.workspaces', 'workspaces_models');
CALL tenancy_private.forget_triggers('public.models', 'models_tenancy_used');
DROP FUNCTION tenancy_private.empty_models();
DROP FUNCTION tenancy.delete_model(uuid);
DROP FUNCTION tenancy_private.keep_used_model();
DROP FUNCTION tenancy_private.require_unused_model(uuid, text, boolean, boolean);
DROP FUNCTION tenancy_private.keeps_model(regclass);
DROP FUNCTION tenancy_private.set_model_workspace();

\ir ../../notes/done.psql
COMMIT;
