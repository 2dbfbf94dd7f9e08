-- Revert pg-tenancy:platform/foreign_key_indexes from pg

\set change platform/foreign_key_indexes
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part platform
\ir ../../adoption/revert_foreign_key_indexes.psql

\ir ../../notes/done.psql
