-- Revert pg-tenancy:kernel/owner_access from pg

\set change kernel/owner_access
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

CALL tenancy_private.revoke_from_owner('public.organization_memberships');
CALL tenancy_private.revoke_from_owner('public.organizations');
CALL tenancy_private.revoke_from_owner('public.users');

REVOKE USAGE ON SCHEMA tenancy FROM tenancy_writer;
DROP PROCEDURE tenancy_private.give_to_writer(regprocedure);
DROP FUNCTION tenancy_private.delete_below(regclass, jsonb, regclass);
DROP FUNCTION tenancy_private.write_data(regclass, jsonb, jsonb, boolean);
DROP FUNCTION tenancy_private.refuse_data(regclass, text, text, text, text, text, text, jsonb);
DROP FUNCTION tenancy_private.delete_rows(regclass, jsonb);
DROP FUNCTION tenancy_private.update_rows(regclass, jsonb, jsonb);
DROP FUNCTION tenancy_private.insert_row(regclass, jsonb, boolean);
DROP PROCEDURE tenancy_private.revoke_from_owner(regclass);
DROP PROCEDURE tenancy_private.grant_to_owner(regclass);
DROP FUNCTION tenancy_private.writer_has(text, text, text);
CALL tenancy_private.forget_contract('tenancy_private.writer_rights');
DROP TABLE tenancy_private.writer_rights;

\ir ../../notes/done.psql
COMMIT;
