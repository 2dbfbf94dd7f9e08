-- Revert pg-tenancy:kernel/user_emails_backfill from pg

\set change kernel/user_emails_backfill
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

-- Nothing to do: the rows are dropped with their table, in the revert of user_emails.
BEGIN;

\ir ../../notes/done.psql
COMMIT;
