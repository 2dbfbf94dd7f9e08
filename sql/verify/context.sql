-- Verify pg-tenancy:context on pg

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.refuse_context()',
    'tenancy_private.refuse_permission(text, text)',
    'tenancy.check_permission()',
    'tenancy_private.seal_context(uuid, uuid, text, uuid)',
    'tenancy_private.require_person()',
    'tenancy_private.refuse_member()',
    'tenancy_private.reads_the_past()',
    'tenancy_private.check_fresh(uuid, uuid)',
    'tenancy_private.enter_as(uuid, uuid)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.workspace_for(text)',
    'tenancy.current_workspace_id()',
    'tenancy.current_user_id()',
    'tenancy.current_organization_id()',
    'tenancy.current_role()',
    'tenancy.current_credential_id()',
    'tenancy.require_person()',
    'tenancy.require_staff_or_organization()',
    'tenancy.has_permission(text)',
    'tenancy.my_permissions()',
    'tenancy.require_permission(text)',
    'tenancy.current_workspace()',
    'tenancy.badge(uuid)'
], ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.enter(uuid, uuid)'
], ARRAY['tenancy_app', 'tenancy_service']);

ROLLBACK;
