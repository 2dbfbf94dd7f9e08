-- Revert pg-tenancy:kernel/user_emails from pg

\set change kernel/user_emails
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['public.users']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER users_tenancy_emails_update ON public.users;
DROP TRIGGER users_tenancy_emails_insert ON public.users;
CALL tenancy_private.forget_triggers(
    'public.users', 'users_tenancy_emails_update', 'users_tenancy_emails_insert'
);
DROP FUNCTION tenancy_private.lock_email(text);
CALL tenancy_private.forget_contract('tenancy_private.email_lock_keys');
DROP TABLE tenancy_private.email_lock_keys;
CALL tenancy_private.forget_contract('tenancy_private.email_locks');
DROP TABLE tenancy_private.email_locks;
DROP FUNCTION tenancy_private.user_with_email(text);
DROP FUNCTION tenancy_private.change_user_email();
DROP FUNCTION tenancy_private.add_user_emails();
CALL tenancy_private.forget_contract('tenancy_private.user_emails');
DROP TABLE tenancy_private.user_emails;
DROP FUNCTION tenancy_private.email_key(text);

\ir ../../notes/done.psql
COMMIT;
