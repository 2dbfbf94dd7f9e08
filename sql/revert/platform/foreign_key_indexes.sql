-- Revert pg-tenancy:platform/foreign_key_indexes from pg

\set change platform/foreign_key_indexes
\ir ../../adoption/begin_revert.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part platform
\ir ../../adoption/revert_foreign_key_indexes.psql

\ir ../../adoption/note_done.psql
