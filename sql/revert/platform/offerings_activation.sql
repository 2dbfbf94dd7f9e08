-- Revert pg-tenancy:platform/offerings_activation from pg

\set change platform/offerings_activation
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

CALL tenancy_private.release_activatable(
    'platform/offerings_activation', 'public.organization_models'
);

\ir ../../notes/done.psql
