-- Revert pg-tenancy:platform/inference_usage_workspaces from pg

\set change platform/inference_usage_workspaces
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

CALL tenancy_private.want_narrow_indexes(:'change');
\ir ../../adoption/build_indexes.psql

CALL tenancy_private.release_cost_table(:'change');

\ir ../../notes/done.psql
