-- Revert pg-tenancy:kernel/context from pg

\set change kernel/context
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy_private.is_staff();
DROP FUNCTION tenancy.current_credential_id();
DROP FUNCTION tenancy.current_role(); -- noqa: PRS
DROP FUNCTION tenancy.current_organization_id();
DROP FUNCTION tenancy.current_user_id();
DROP FUNCTION tenancy.current_workspace_id();
DROP FUNCTION tenancy.verify_context();
DROP FUNCTION tenancy_private.refuse_context();
DROP FUNCTION tenancy_private.seal(bytea, bytea, text, text, text);

\ir ../../notes/done.psql
COMMIT;
