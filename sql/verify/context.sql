-- Verify pg-tenancy:context on pg

BEGIN;

CALL tenancy_private.verify_routine('tenancy_private.refuse_context()', '{}');
CALL tenancy_private.verify_routine('tenancy.workspace_for(text)', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.current_workspace_id()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.current_user_id()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.current_organization_id()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.current_role()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.has_permission(text)', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.my_permissions()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy_private.refuse_permission(text, text)', '{}');
CALL tenancy_private.verify_routine('tenancy.require_permission(text)', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.check_permission()', '{}');
CALL tenancy_private.verify_routine('tenancy_private.seal_context(uuid, uuid, text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.refuse_member()', '{}');
CALL tenancy_private.verify_routine('tenancy_private.enter_as(uuid, uuid)', '{}');
CALL tenancy_private.verify_routine('tenancy.enter(uuid, uuid)', ARRAY['tenancy_app', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.current_workspace()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.badge(uuid)', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
