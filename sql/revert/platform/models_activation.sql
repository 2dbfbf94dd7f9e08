-- Revert pg-tenancy:platform/models_activation from pg

\set change platform/models_activation
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- An interrupted deploy may not have created it.
DO $$
BEGIN
    IF to_regprocedure('tenancy_private.check_instance_use()') IS NOT NULL THEN
        CALL tenancy_private.patiently(
            ARRAY['public.instances']::regclass[], 'ACCESS EXCLUSIVE',
            'DROP TRIGGER instances_tenancy_use_new ON public.instances; '
            'DROP TRIGGER instances_workspace_tenancy_use ON public.instances; '
            'CALL tenancy_private.forget_triggers(''public.instances'', ''instances_workspace_tenancy_use'', '
            '''instances_tenancy_use_new''); '
            'DROP FUNCTION tenancy_private.check_instance_use()'
        );
    END IF;
END;
$$;

CALL tenancy_private.release_activatable('platform/models_activation', 'public.models');

\ir ../../notes/done.psql
