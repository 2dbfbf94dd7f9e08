-- Access to finops.cost_actual_minute, revision 1.
--
-- The costs of the workspace's instances by minute, for the roles that hold finops.view, and a
-- person's own. Totals, which have no instance, belong to the platform. Written by services.
CALL tenancy.protect('finops.cost_actual_minute');
CALL tenancy.allow('finops.cost_actual_minute', 'SELECT', 'finops.view', columns =>
    'bucket_minute, provider_id, instance_id, amount_eur');
