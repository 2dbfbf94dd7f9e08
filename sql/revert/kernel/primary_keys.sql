-- Revert pg-tenancy:kernel/primary_keys from pg

\set change kernel/primary_keys
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part kernel
\ir ../../adoption/revert_primary_keys.psql

\ir ../../notes/done.psql
