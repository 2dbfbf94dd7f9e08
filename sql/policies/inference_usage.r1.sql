-- Access to finops.inference_usage, revision 1.
--
-- The calls that the workspace made, for the roles that hold finops.view, and a person's own. A
-- provider's earnings from others' calls are only in the sums. Written by services.
CALL tenancy.protect('finops.inference_usage');
CALL tenancy.allow('finops.inference_usage', 'SELECT', 'finops.view', columns =>
    'id, occurred_at, user_id, api_key_id, model_id, instance_id, input_tokens, output_tokens, '
    'total_tokens, unit_price_eur_per_1k_tokens, charged_amount_eur, provider_organization_id, '
    'consumer_organization_id, organization_model_id');
