-- Verify pg-tenancy:kernel/tenant_tables on pg

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.set_workspace()'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.default_organization_id()',
    'tenancy.default_user_id()'
], ARRAY['tenancy_credentialed', 'tenancy_service', 'tenancy_writer']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.assign(regclass, uuid, text, integer)'
], ARRAY['tenancy_service']);

ROLLBACK;
