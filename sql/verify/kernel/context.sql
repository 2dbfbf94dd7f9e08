-- Verify pg-tenancy:kernel/context on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.seal(bytea, bytea, text, text, text)',
    'tenancy_private.refuse_context()',
    'tenancy_private.is_staff()'
]);
CALL tenancy_private.verify_routines(
    ARRAY['tenancy.verify_context()'],
    ARRAY['tenancy_credentialed', 'tenancy_service', 'tenancy_legacy', 'tenancy_writer']
);
CALL tenancy_private.verify_routines(
    ARRAY['tenancy.current_workspace_id()'],
    ARRAY['tenancy_credentialed', 'tenancy_service', 'tenancy_legacy', 'tenancy_writer'],
    pinned => false
);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.current_user_id()',
    'tenancy.current_organization_id()',
    'tenancy.current_role()',
    'tenancy.current_credential_id()'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
