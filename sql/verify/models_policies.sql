-- Verify pg-tenancy:models_policies on pg

BEGIN;

CALL tenancy_private.verify_policies('public.models', ARRAY[
    'models_workspace', 'models_select', 'models_insert', 'models_update', 'models_delete',
    'models_service', 'models_auditor'
]);

DO $$
DECLARE
    written CONSTANT text :=
        'DELETE, SELECT, INSERT(context_length), INSERT(is_active), INSERT(metadata), INSERT(model_id), INSERT(name), '
        'INSERT(required_vram_gb), UPDATE(context_length), UPDATE(is_active), UPDATE(metadata), UPDATE(model_id), '
        'UPDATE(name), UPDATE(required_vram_gb)';
BEGIN
    CALL tenancy_private.verify_grants('public.models', 'tenancy_credentialed', written);
    CALL tenancy_private.verify_grants('public.models', 'tenancy_auditor', 'SELECT');
END;
$$;

ROLLBACK;
