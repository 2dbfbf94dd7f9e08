-- Revert pg-tenancy:kernel/accounts from pg

\set change kernel/accounts
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy_private.add_member(uuid, uuid, text);
DROP FUNCTION tenancy_private.new_user(text, text, text, text, text);
DROP FUNCTION tenancy_private.write_user(jsonb, text, text, text, text, text);
DROP FUNCTION tenancy_private.checked_email(text);

\ir ../../notes/done.psql
COMMIT;
