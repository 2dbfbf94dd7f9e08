-- Revert pg-tenancy:kernel/legacy_logins from pg

\set change kernel/legacy_logins
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

CALL tenancy_private.drop_legacy_logins(
    ARRAY['public.users', 'public.organizations', 'public.organization_memberships']::regclass[]
);

DROP PROCEDURE tenancy_private.drop_legacy_logins(regclass[], boolean);
DROP PROCEDURE tenancy_private.keep_legacy_logins(regclass[], boolean);
DROP FUNCTION tenancy_private.tables_of_services(regclass[]);
CALL tenancy_private.forget_contract('tenancy_private.legacy_logins');
DROP TABLE tenancy_private.legacy_logins;

\ir ../../notes/done.psql
COMMIT;
