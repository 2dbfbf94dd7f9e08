-- Access to public.models, revision 1.
--
-- In an organization its models and the public ones, in personal mode the public ones. Public
-- models belong to the platform, whose staff change them in its workspace. delete_model()
-- deletes.
CALL tenancy.protect('public.models', catalogue => true);
CALL tenancy.allow('public.models', 'SELECT', 'models.view', columns =>
    'id, organization_id, name, model_id, required_vram_gb, context_length, is_active, metadata');
CALL tenancy.allow('public.models', 'INSERT', 'models.create', -- noqa: PRS
    "for" => 'organization', columns =>
    'id, name, model_id, required_vram_gb, context_length, is_active, metadata');
CALL tenancy.allow('public.models', 'UPDATE', 'models.update',
    "for" => 'organization', columns =>
    'name, model_id, required_vram_gb, context_length, is_active, metadata');
