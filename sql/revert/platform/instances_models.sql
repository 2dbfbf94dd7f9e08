-- Revert pg-tenancy:platform/instances_models from pg

\set change platform/instances_models
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\ir ../../adoption/release.psql

\ir ../../notes/done.psql
