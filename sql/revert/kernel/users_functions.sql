-- Revert pg-tenancy:kernel/users_functions from pg

\set change kernel/users_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.delete_user(uuid);
DROP FUNCTION tenancy.update_user(uuid, text, text, text, text, text);
DROP FUNCTION tenancy.create_user(text, text, text, text, text);
DROP FUNCTION tenancy_private.refuse_user_id();
DROP FUNCTION tenancy_private.refuse_other_account();
DROP FUNCTION tenancy.all_users(text, uuid, integer);
DROP FUNCTION tenancy.sees_all_users();
DROP FUNCTION tenancy.visible_user_ids();

\ir ../../notes/done.psql
COMMIT;
