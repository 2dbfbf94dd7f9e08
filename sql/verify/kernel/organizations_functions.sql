-- Verify pg-tenancy:kernel/organizations_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.refuse_personal()',
    'tenancy_private.read_in_organization(text)',
    'tenancy_private.act_in_organization(text)',
    'tenancy_private.plain_text(text)',
    'tenancy_private.is_plain(text)',
    'tenancy_private.checked_name(text)',
    'tenancy_private.organization_row(uuid)',
    'tenancy_private.checked_slug(text)',
    'tenancy_private.slug_from_name(text)',
    'tenancy_private.refuse_deleted(uuid)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.create_organization(text, text)',
    'tenancy.my_organizations()',
    'tenancy.update_organization(text, text, text)',
    'tenancy.delete_organization()'
], ARRAY['tenancy_credentialed', 'tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.restore_organization(uuid)',
    'tenancy.purge_organization(uuid)'
], ARRAY['tenancy_service']);

ROLLBACK;
