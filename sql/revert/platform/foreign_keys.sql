-- Revert pg-tenancy:platform/foreign_keys from pg

\set change platform/foreign_keys
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part platform
\ir ../../adoption/revert_foreign_keys.psql

\ir ../../notes/done.psql
