-- Revert pg-tenancy:kernel/primary_keys from pg

\set change kernel/primary_keys
\ir ../../adoption/begin_revert.psql
\if :done \quit \endif
\ir ../../adoption/note_begun.psql

\set part kernel
\ir ../../adoption/revert_primary_keys.psql

\ir ../../adoption/note_done.psql
