-- Revert pg-tenancy:platform/instances_activation from pg

\set change platform/instances_activation
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

CALL tenancy_private.release_activatable('platform/instances_activation', 'public.instances');

\ir ../../notes/done.psql
