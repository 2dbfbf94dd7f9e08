-- Revert pg-tenancy:kernel/memberships_functions from pg

\set change kernel/memberships_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.leave_organization();
DROP FUNCTION tenancy.remove_member(uuid);
DROP FUNCTION tenancy_private.end_membership(uuid, uuid, text);
DROP FUNCTION tenancy.change_member_role(uuid, text);
DROP FUNCTION tenancy.member(uuid);
DROP FUNCTION tenancy.members();
DROP FUNCTION tenancy_private.check_other_owner(uuid, uuid);
DROP FUNCTION tenancy_private.role_of_member(uuid, uuid);
DROP FUNCTION tenancy_private.check_role(text);
DROP FUNCTION tenancy_private.check_delegation(text, text);

\ir ../../notes/done.psql
COMMIT;
