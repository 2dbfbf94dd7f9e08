-- Revert pg-tenancy:kernel/api_keys_workspaces from pg

\set change kernel/api_keys_workspaces
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\ir ../../adoption/release.psql

\ir ../../notes/done.psql
