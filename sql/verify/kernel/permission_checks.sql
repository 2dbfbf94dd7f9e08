-- Verify pg-tenancy:kernel/permission_checks on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.holds(text)',
    'tenancy_private.refuse_permission(text, text)',
    'tenancy_private.require_page_size(integer)',
    'tenancy_private.require_person()'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.has_permission(text)',
    'tenancy.my_permissions()',
    'tenancy.require_permission(text)',
    'tenancy.require_person()'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
