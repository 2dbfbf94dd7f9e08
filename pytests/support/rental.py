"""The platform that the package was made for, unmended: its rows, and what its application does all day."""

from __future__ import annotations

__all__ = ["ROWS"]

# Ids end with a letter for each row: 0-a is ann, 1-a is Acme, and so on.
ROWS = """
INSERT INTO public.users (id, email, username, password_hash, role, account_plan, wallet_balance_eur) VALUES
('00000000-0000-0000-0000-00000000000a', 'ann@example.com', 'ann', 'hash-a', DEFAULT, 'subscriber', 12.50),
('00000000-0000-0000-0000-00000000000b', 'bob@example.com', 'bob', 'hash-b', DEFAULT, 'free', 0),
('00000000-0000-0000-0000-00000000000c', 'cid@example.com', 'cid', 'hash-c', 'user', 'free', 3.07);
INSERT INTO public.organizations
(id, name, slug, created_by_user_id, subscription_plan, subscription_plan_updated_at, wallet_balance_eur, sidebar_color)
VALUES
('00000000-0000-0000-0001-00000000000a', 'Acme', 'acme', '00000000-0000-0000-0000-00000000000a', 'subscriber',
'2026-01-05 10:00:00+00', 250.00, '#0EA5E9'),
('00000000-0000-0000-0001-00000000000b', 'Bulk', 'bulk', '00000000-0000-0000-0000-00000000000b', 'free', NULL, 0, 'teal'),
('00000000-0000-0000-0001-00000000000c', 'Dust', 'dust', NULL, 'free', NULL, 0, NULL);
INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES
('00000000-0000-0000-0001-00000000000a', '00000000-0000-0000-0000-00000000000a', 'owner'),
('00000000-0000-0000-0001-00000000000a', '00000000-0000-0000-0000-00000000000c', 'manager'),
('00000000-0000-0000-0001-00000000000b', '00000000-0000-0000-0000-00000000000b', 'owner');
INSERT INTO public.organization_invitations
(id, organization_id, email, role, token, invited_by_user_id, expires_at, accepted_at) VALUES
('00000000-0000-0000-0010-00000000000a', '00000000-0000-0000-0001-00000000000a', 'dee@example.com', 'user',
'letter-to-dee', '00000000-0000-0000-0000-00000000000a', now() + interval '5 days', NULL),
('00000000-0000-0000-0010-00000000000b', '00000000-0000-0000-0001-00000000000a', 'eve@example.com', 'user',
'letter-to-eve', '00000000-0000-0000-0000-00000000000a', now() - interval '5 days', NULL),
('00000000-0000-0000-0010-00000000000c', '00000000-0000-0000-0001-00000000000a', 'cid@example.com', 'manager',
'letter-to-cid', '00000000-0000-0000-0000-00000000000a', now() + interval '5 days', now() - interval '1 day');
UPDATE public.organization_invitations SET created_at = now() - interval '10 days';
INSERT INTO public.user_sessions (user_id, session_token, current_organization_id) VALUES
('00000000-0000-0000-0000-00000000000a', 'session-a', '00000000-0000-0000-0001-00000000000a');
INSERT INTO public.providers (id, name, code) VALUES ('00000000-0000-0000-0002-00000000000a', 'Cloud', 'cloud');
INSERT INTO public.regions (id, provider_id, code) VALUES
('00000000-0000-0000-0011-00000000000a', '00000000-0000-0000-0002-00000000000a', 'par');
INSERT INTO public.zones (id, region_id, code) VALUES
('00000000-0000-0000-0012-00000000000a', '00000000-0000-0000-0011-00000000000a', 'par-1');
INSERT INTO public.instance_types (id, provider_id, name, gpu_count, vram_per_gpu_gb, cost_per_hour) VALUES
('00000000-0000-0000-0013-00000000000a', '00000000-0000-0000-0002-00000000000a', 'L4-1', 1, 24, 0.7500);
INSERT INTO public.instance_type_zones (instance_type_id, zone_id) VALUES
('00000000-0000-0000-0013-00000000000a', '00000000-0000-0000-0012-00000000000a');
INSERT INTO public.action_types (code, label) VALUES ('REQUEST_CREATE', 'Request'), ('TERMINATE', 'Terminate');
INSERT INTO public.settings_definitions (key, scope, value_type, min_int, max_int, default_int) VALUES
('WORKER_TIMEOUT_S', 'provider', 'int', 1, 600, 60), ('ACCESS_KEY', 'provider', 'text', NULL, NULL, NULL),
('RETENTION_DAYS', 'global', 'int', 1, 365, 30);
INSERT INTO public.provider_settings (id, provider_id, organization_id, key, value_int, value_text) VALUES
('00000000-0000-0000-0003-00000000000a', '00000000-0000-0000-0002-00000000000a',
'00000000-0000-0000-0001-00000000000a', 'WORKER_TIMEOUT_S', 90, NULL),
('00000000-0000-0000-0003-00000000000b', '00000000-0000-0000-0002-00000000000a',
'00000000-0000-0000-0001-00000000000a', 'ACCESS_KEY', NULL, 'very secret');
INSERT INTO public.global_settings (key, value_int) VALUES ('RETENTION_DAYS', 14);
INSERT INTO public.models (id, name, model_id) VALUES
('00000000-0000-0000-0004-00000000000a', 'Small', 'hub/small'), ('00000000-0000-0000-0004-00000000000b', 'Big', 'hub/big');
INSERT INTO public.instances
(id, provider_id, zone_id, instance_type_id, model_id, organization_id, status, ip_address, api_key, worker_metadata)
VALUES
('00000000-0000-0000-0005-00000000000a', '00000000-0000-0000-0002-00000000000a', '00000000-0000-0000-0012-00000000000a',
'00000000-0000-0000-0013-00000000000a', '00000000-0000-0000-0004-00000000000a', '00000000-0000-0000-0001-00000000000a',
'ready', '10.0.0.1', 'worker-secret-a', '{"gpus": 1}'),
('00000000-0000-0000-0005-00000000000b', '00000000-0000-0000-0002-00000000000a', '00000000-0000-0000-0012-00000000000a',
'00000000-0000-0000-0013-00000000000a', '00000000-0000-0000-0004-00000000000b', NULL, 'provisioning_failed', NULL, NULL,
NULL),
('00000000-0000-0000-0005-00000000000c', '00000000-0000-0000-0002-00000000000a', '00000000-0000-0000-0012-00000000000a',
'00000000-0000-0000-0013-00000000000a', NULL, '00000000-0000-0000-0001-00000000000b', 'terminated', NULL, NULL, NULL);
INSERT INTO public.instance_volumes (instance_id, provider_volume_id, size_gb) VALUES
('00000000-0000-0000-0005-00000000000a', 'vol-a', 200);
INSERT INTO public.instance_metrics (instance_id, gpu_percent, vram_used_mb) VALUES
('00000000-0000-0000-0005-00000000000a', 55.5, 16000);
INSERT INTO public.worker_auth_tokens (instance_id, token_hash) VALUES
('00000000-0000-0000-0005-00000000000a', 'worker-hash');
INSERT INTO public.action_logs (action_type, instance_id, status) VALUES
('REQUEST_CREATE', '00000000-0000-0000-0005-00000000000a', 'success');
INSERT INTO public.api_keys (id, user_id, organization_id, name, key_prefix, key_hash) VALUES
('00000000-0000-0000-0006-00000000000a', '00000000-0000-0000-0000-00000000000a', NULL, 'ci', 'sk-inv-01234',
encode(sha256('sk-inv-0123456789abcdef0123456789abcdef'), 'hex')),
('00000000-0000-0000-0006-00000000000b', '00000000-0000-0000-0000-00000000000a',
'00000000-0000-0000-0001-00000000000a', 'team', 'sk-inv-fedcb',
encode(sha256('sk-inv-fedcba9876543210fedcba9876543210'), 'hex'));
INSERT INTO public.organization_models (id, organization_id, model_id, name, code) VALUES
('00000000-0000-0000-0007-00000000000a', '00000000-0000-0000-0001-00000000000a',
'00000000-0000-0000-0004-00000000000a', 'Sales bot', 'sales-bot');
INSERT INTO public.organization_model_shares
(id, provider_organization_id, consumer_organization_id, organization_model_id, pricing) VALUES
('00000000-0000-0000-0008-00000000000a', '00000000-0000-0000-0001-00000000000a',
'00000000-0000-0000-0001-00000000000b', '00000000-0000-0000-0007-00000000000a',
'{"version": 1, "type": "per_1k_tokens", "eur_per_1k": 0.2}');
INSERT INTO public.workbench_projects (id, name, created_by_user_id, organization_id, shared_with_org) VALUES
('00000000-0000-0000-0014-00000000000a', 'Prompts', '00000000-0000-0000-0000-00000000000a',
'00000000-0000-0000-0001-00000000000a', true);
INSERT INTO public.workbench_runs (id, project_id, created_by_user_id, organization_id, model_id) VALUES
('00000000-0000-0000-0015-00000000000a', '00000000-0000-0000-0014-00000000000a',
'00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0001-00000000000a', 'acme/sales-bot');
INSERT INTO public.workbench_messages (run_id, role, content) VALUES
('00000000-0000-0000-0015-00000000000a', 'user', 'hello');
INSERT INTO finops.customers (id, name) VALUES ('00000000-0000-0000-0016-00000000000a', 'A customer');
INSERT INTO finops.inference_usage
(id, occurred_at, customer_id, api_key_id, model_id, instance_id, input_tokens, output_tokens) VALUES
('00000000-0000-0000-0009-00000000000a', '2026-01-02 03:04:05+00', '00000000-0000-0000-0016-00000000000a',
'00000000-0000-0000-0006-00000000000a', '00000000-0000-0000-0004-00000000000a',
'00000000-0000-0000-0005-00000000000a', 10, 20),
('00000000-0000-0000-0009-00000000000b', '2026-01-02 03:05:05+00', NULL, NULL,
'00000000-0000-0000-0004-00000000000b', '00000000-0000-0000-0005-00000000000b', 1, NULL);
INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur) VALUES
('2026-01-02 03:04:00+00', NULL, NULL, 0.0250),
('2026-01-02 03:04:00+00', '00000000-0000-0000-0002-00000000000a', NULL, 0.0250),
('2026-01-02 03:04:00+00', '00000000-0000-0000-0002-00000000000a', '00000000-0000-0000-0005-00000000000a', 0.0125),
('2026-01-02 03:04:00+00', '00000000-0000-0000-0002-00000000000a', '00000000-0000-0000-0005-00000000000b', 0.0125);
INSERT INTO finops.cost_actual_cumulative_minute (bucket_minute, provider_id, instance_id, cumulative_amount_eur)
VALUES ('2026-01-02 03:04:00+00', NULL, NULL, 0.0250);
INSERT INTO finops.cost_forecast_minute (bucket_minute, burn_rate_eur_per_hour) VALUES ('2026-01-02 03:04:00+00', 1.5);
INSERT INTO finops.token_purchases (external_id, organization_id, amount_eur) VALUES
('pay_1', '00000000-0000-0000-0001-00000000000a', 250);
"""
