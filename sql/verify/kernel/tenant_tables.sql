-- Verify pg-tenancy:kernel/tenant_tables on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.set_workspace()',
    'tenancy_private.keep_organization()',
    'tenancy_private.check_tenant_table(regclass, name, jsonb, jsonb)',
    'tenancy_private.adoption_of(text)',
    'tenancy_private.add_ownership(text)',
    'tenancy_private.want_indexes(regclass, jsonb)',
    'tenancy_private.want_narrow_indexes(text)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.fill_workspaces(text)',
    'tenancy_private.return_ownership(text)',
    'tenancy_private.adopt_online(text, regclass, jsonb, name, text, jsonb, jsonb, jsonb, '
    'name[], jsonb)',
    'tenancy_private.finish_adoption(text)',
    'tenancy_private.keep_ownership(text)',
    'tenancy_private.release_adoption(text)'
], pinned => false);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.default_organization_id()',
    'tenancy.default_user_id()'
], ARRAY['tenancy_credentialed', 'tenancy_service', 'tenancy_legacy', 'tenancy_writer']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.assign(regclass, uuid, text, integer)'
], ARRAY['tenancy_service']);

ROLLBACK;
