-- Verify pg-tenancy:kernel/explain_access on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.workspace_in_words(uuid)',
    'tenancy_private.find_row(tenancy_private.protected_tables, text)'
]);
-- Callers learn whether a row exists, so only services and auditors may call it.
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.explain_access(regclass, text, uuid, uuid)'
], ARRAY['tenancy_auditor', 'tenancy_service']);

ROLLBACK;
