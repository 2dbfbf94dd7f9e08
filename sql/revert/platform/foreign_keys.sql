-- Revert pg-tenancy:platform/foreign_keys from pg

\set change platform/foreign_keys
\ir ../../adoption/begin_revert.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part platform
\ir ../../adoption/revert_foreign_keys.psql

\ir ../../adoption/note_done.psql
