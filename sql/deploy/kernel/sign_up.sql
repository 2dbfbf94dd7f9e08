-- Deploy pg-tenancy:kernel/sign_up to pg
-- requires: kernel/accounts

\set change kernel/sign_up
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- For the first person of a new customer: nobody has invited them, and there is no organization
-- yet that could create their account.
CREATE FUNCTION tenancy.sign_up(
    email text,
    username text DEFAULT NULL,
    first_name text DEFAULT NULL,
    last_name text DEFAULT NULL,
    password_hash text DEFAULT NULL
) RETURNS uuid
LANGUAGE sql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
RETURN tenancy_private.new_user(email, username, first_name, last_name, password_hash);
REVOKE ALL ON FUNCTION tenancy.sign_up(text, text, text, text, text) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.sign_up(text, text, text, text, text)
TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.sign_up(text, text, text, text, text) IS
'Creates an account that belongs to no organization, and returns its id. Requires no context and creates none: enter '
'the personal workspace afterwards, and create an organization there. Raises 23505 email_taken, username_taken, 22023 '
'email_invalid, user_data_invalid.';

\ir ../../notes/done.psql
COMMIT;
