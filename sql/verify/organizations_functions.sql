-- Verify pg-tenancy:organizations_functions on pg

BEGIN;

CALL tenancy_private.verify_routine('tenancy_private.refuse_personal()', '{}');
CALL tenancy_private.verify_routine('tenancy_private.act_in_organization(text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.checked_name(text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.checked_slug(text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.slug_from_name(text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.refuse_slug()', '{}');
CALL tenancy_private.verify_routine('tenancy.create_organization(text, text)', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.my_organizations()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.update_organization(text, text, text)', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.delete_organization()', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routine('tenancy_private.refuse_deleted(uuid)', '{}');
CALL tenancy_private.verify_routine('tenancy.restore_organization(uuid)', ARRAY['tenancy_service']);
CALL tenancy_private.verify_routine('tenancy.purge_organization(uuid)', ARRAY['tenancy_service']);

ROLLBACK;
