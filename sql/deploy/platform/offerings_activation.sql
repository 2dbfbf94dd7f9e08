-- Deploy pg-tenancy:platform/offerings_activation to pg
-- requires: kernel/activation
-- requires: platform/offerings_policies

\set change platform/offerings_activation
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.
CALL tenancy_private.make_activatable(
    'platform/offerings_activation', 'public.organization_models', kind => 'offering',
    subject => 'offerings'
);

\ir ../../notes/done.psql
