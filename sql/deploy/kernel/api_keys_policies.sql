-- Deploy pg-tenancy:kernel/api_keys_policies to pg
-- requires: kernel/api_keys_functions

\set change kernel/api_keys_policies
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.revise('public.api_keys');

\ir ../../policies/api_keys.r1.sql

-- Checked again at the end: only then does the audit log read the acting user, and RETURNING
-- may have changed the session variables in between.
CREATE TRIGGER api_keys_tenancy_permission_after
AFTER UPDATE ON public.api_keys
FOR EACH STATEMENT EXECUTE FUNCTION tenancy.check_permission();

-- A name that rename_api_key() would refuse is refused here too, except from
-- services: the application before its migration uses the names that it always
-- used.
CREATE TRIGGER api_keys_tenancy_name
BEFORE UPDATE ON public.api_keys
FOR EACH ROW
WHEN (
    pg_has_role('tenancy_credentialed', 'USAGE')
    AND row_security_active('public.api_keys'::regclass)
)
EXECUTE FUNCTION tenancy_private.check_api_key_name();

CALL tenancy_private.record_triggers(
    'public.api_keys',
    'api_keys_tenancy_permission_after',
    'api_keys_tenancy_name'
);

CALL tenancy_private.tell_closed_columns('public.api_keys');
CALL tenancy_private.tell_unprotected();

\ir ../../notes/done.psql
COMMIT;
