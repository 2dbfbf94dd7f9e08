-- Revert pg-tenancy:platform/primary_keys from pg

\set change platform/primary_keys
\ir ../../notes/begin_revert.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

\set part platform
\ir ../../adoption/revert_primary_keys.psql

\ir ../../notes/done.psql
