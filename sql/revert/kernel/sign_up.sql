-- Revert pg-tenancy:kernel/sign_up from pg

\set change kernel/sign_up
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.sign_up(text, text, text, text, text);

\ir ../../notes/done.psql
COMMIT;
