-- Revert pg-tenancy:kernel/permission_checks from pg

\set change kernel/permission_checks
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.require_person();
DROP FUNCTION tenancy_private.require_person();
DROP FUNCTION tenancy_private.require_page_size(integer);
DROP FUNCTION tenancy.require_permission(text);
DROP FUNCTION tenancy_private.refuse_permission(text, text);
DROP FUNCTION tenancy.my_permissions();
DROP FUNCTION tenancy.has_permission(text);
DROP FUNCTION tenancy_private.holds(text);

\ir ../../notes/done.psql
COMMIT;
