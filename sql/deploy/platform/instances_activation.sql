-- Deploy pg-tenancy:platform/instances_activation to pg
-- requires: kernel/activation
-- requires: platform/instances_policies

\set change platform/instances_activation
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.
CALL tenancy_private.make_activatable(
    'platform/instances_activation', 'public.instances', kind => 'instance', subject => 'instances'
);

\ir ../../notes/done.psql
