-- Revert pg-tenancy:kernel/foreign_keys from pg

\set change kernel/foreign_keys
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part kernel
\ir ../../adoption/revert_foreign_keys.psql

\ir ../../notes/done.psql
