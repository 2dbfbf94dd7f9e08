-- Revert pg-tenancy:kernel/api_keys_workspaces from pg

\set change kernel/api_keys_workspaces
\ir ../../adoption/begin_revert.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\ir ../../adoption/release.psql

\ir ../../adoption/note_done.psql
