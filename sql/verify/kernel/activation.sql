-- Verify pg-tenancy:kernel/activation on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

SELECT
    a.kind,
    a.table_name,
    a.subject,
    a.is_adopted,
    a.is_generated,
    a.activated_at
FROM tenancy_private.activatable AS a
LIMIT 0;

SELECT
    d.kind,
    d.id,
    d.aspect
FROM tenancy_private.pending_deactivations AS d
LIMIT 0;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.activatable_of(text)',
    'tenancy_private.refuse_object(text)',
    'tenancy_private.is_organization(uuid)',
    'tenancy_private.activation_of(tenancy_private.activatable, uuid)',
    'tenancy_private.refuse_use(tenancy_private.activatable, uuid, text[])',
    'tenancy_private.record_activation(text, uuid, uuid, text, jsonb, jsonb)',
    'tenancy_private.set_activation(text, uuid, text, boolean)',
    'tenancy_private.refuse_activation_write()',
    'tenancy_private.keep_activation()',
    'tenancy_private.audit_activation()',
    'tenancy_private.check_activatable(regclass)',
    'tenancy_private.show_activations(regclass, boolean)',
    'tenancy_private.add_activations(text, regclass, text, text)',
    'tenancy_private.drop_triggers_of(regclass, text)',
    'tenancy_private.verify_activatable(regclass, text)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.make_activatable(text, regclass, text, text)',
    'tenancy_private.release_activatable(text, regclass)'
], pinned => false);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.require_operational(text, uuid)',
    'tenancy.activate(text, uuid, text)',
    'tenancy.deactivate(text, uuid, text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
