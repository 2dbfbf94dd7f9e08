-- Revert pg-tenancy:context from pg

BEGIN;

SET LOCAL lock_timeout = '2s';

DROP FUNCTION tenancy.badge(uuid);
DROP FUNCTION tenancy.current_workspace();
DROP FUNCTION tenancy.enter(uuid, uuid);
DROP FUNCTION tenancy_private.enter_as(uuid, uuid);
DROP FUNCTION tenancy_private.check_fresh(uuid, uuid);
DROP FUNCTION tenancy_private.reads_the_past();
DROP FUNCTION tenancy_private.refuse_member();
DROP FUNCTION tenancy_private.seal_context(uuid, uuid, text, uuid);
CALL tenancy_private.forget_contract('tenancy_private.latch_scans');
DROP TABLE tenancy_private.latch_scans;
DROP FUNCTION tenancy.check_permission();
DROP FUNCTION tenancy.require_staff_or_organization();
DROP FUNCTION tenancy.require_permission(text);
DROP FUNCTION tenancy_private.refuse_permission(text, text);
DROP FUNCTION tenancy.my_permissions();
DROP FUNCTION tenancy.has_permission(text);
DROP FUNCTION tenancy.require_person();
DROP FUNCTION tenancy_private.require_person();
DROP FUNCTION tenancy.current_credential_id();
DROP FUNCTION tenancy.current_role(); -- noqa: PRS
DROP FUNCTION tenancy.current_organization_id();
DROP FUNCTION tenancy.current_user_id();
DROP FUNCTION tenancy.current_workspace_id();
DROP FUNCTION tenancy.workspace_for(text);
DROP FUNCTION tenancy_private.refuse_context();

COMMIT;
