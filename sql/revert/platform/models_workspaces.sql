-- Revert pg-tenancy:platform/models_workspaces from pg

\set change platform/models_workspaces
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\ir ../../adoption/release.psql

\ir ../../notes/done.psql
