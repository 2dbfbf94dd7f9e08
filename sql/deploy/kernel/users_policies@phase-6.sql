-- Deploy pg-tenancy:kernel/users_policies to pg
-- requires: kernel/protection
-- requires: kernel/legacy_logins

\set change kernel/users_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

-- In many applications admin is the role of every new user.
DO $$
DECLARE
    staff CONSTANT bigint := (SELECT count(*) FROM public.users AS u WHERE u.role::text = 'admin');
BEGIN
    RAISE NOTICE '% platform staff, by users.role = ''admin''', CASE staff
        WHEN 1 THEN '1 user is' ELSE staff || ' users are'
    END
    USING HINT = 'They may enter the platform''s workspace and list everybody. Give the others another role.';
END;
$$;

CALL tenancy_private.revise('public.users');

\ir ../../policies/users.r1.sql

CALL tenancy_private.tell_closed_columns('public.users');

\ir ../../notes/done.psql
COMMIT;
