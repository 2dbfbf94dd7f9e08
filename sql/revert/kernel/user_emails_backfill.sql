-- Revert pg-tenancy:kernel/user_emails_backfill from pg

-- Nothing to do: the rows go with their table, in the revert of user_emails.
BEGIN;

COMMIT;
