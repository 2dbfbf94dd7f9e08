-- Revert pg-tenancy:kernel/foreign_keys from pg

\set change kernel/foreign_keys
\ir ../../adoption/begin_revert.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part kernel
\ir ../../adoption/revert_foreign_keys.psql

\ir ../../adoption/note_done.psql
