"""The original platform, unprepared: its rows, and a day's work of its application."""

# ruff: noqa: E501, S608  (rows and statements as they are, made here)

from __future__ import annotations

import psycopg

from support.database import Database

__all__ = ["ROWS", "STATEMENTS", "answers"]

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


def _id(kind: int, letter: str = "f") -> str:
    return f"00000000-0000-0000-{kind:04}-00000000000{letter}"


# A day's work of the application, as statements of an ORM or a job. Nobody else uses these rows, and no answer
# depends on the time.
STATEMENTS: tuple[str, ...] = (
    # People sign up, sign in and are found.
    f"INSERT INTO users (id, email, username, password_hash) VALUES ('{_id(0)}', 'fay@example.com', 'fay', 'h')"
    " RETURNING id, role, account_plan",
    f"INSERT INTO users (id, email, username, password_hash, role) VALUES ('{_id(0, 'e')}', 'eve@example.com', 'eve', 'h',"
    " 'user') ON CONFLICT (email) DO NOTHING",
    "INSERT INTO users (email, username) VALUES ('ann@example.com', 'twice')",
    "SELECT id, email, role, account_plan, wallet_balance_eur FROM users WHERE lower(email) = 'ann@example.com'",
    "SELECT password_hash FROM users WHERE username = 'bob' AND is_active",
    f"UPDATE users SET first_name = 'Fay', last_name = 'Faye' WHERE id = '{_id(0)}' RETURNING first_name",
    f"UPDATE users SET account_plan = 'subscriber', account_plan_updated_at = now() WHERE id = '{_id(0)}'",
    f"UPDATE users SET account_plan = 'golden' WHERE id = '{_id(0)}'",
    f"UPDATE users SET wallet_balance_eur = wallet_balance_eur + 10.55 WHERE id = '{_id(0)}' RETURNING wallet_balance_eur",
    f"UPDATE users SET role = 'user' WHERE id = '{_id(0)}'",
    f"INSERT INTO user_sessions (user_id, session_token, current_organization_id) VALUES ('{_id(0)}', 'session-f', NULL)",
    "UPDATE user_sessions SET last_seen_at = now(), current_organization_id = NULL WHERE session_token = 'session-f'",
    "SELECT s.session_token, u.email FROM user_sessions s JOIN users u ON u.id = s.user_id WHERE s.revoked_at IS NULL"
    " ORDER BY 1",
    f"SELECT event FROM user_events WHERE user_id = '{_id(0)}' ORDER BY id",
    # Organizations and their members.
    f"INSERT INTO organizations (id, name, slug, created_by_user_id, sidebar_color) VALUES ('{_id(1)}', 'Fog', 'fog',"
    f" '{_id(0)}', '#00aa00') RETURNING subscription_plan::text, sidebar_color",
    f"INSERT INTO organization_memberships (organization_id, user_id, role) VALUES ('{_id(1)}', '{_id(0)}', 'owner')",
    f"INSERT INTO organization_memberships (organization_id, user_id) VALUES ('{_id(1)}', '{_id(0, 'b')}') RETURNING role",
    f"INSERT INTO organization_memberships (organization_id, user_id, role) VALUES ('{_id(1)}', '{_id(0, 'b')}', 'admin')"
    " ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role RETURNING role::text",
    "INSERT INTO organization_memberships (organization_id, user_id, role) SELECT id, id, 'user' FROM organizations"
    " WHERE slug = 'fog'",
    "SELECT o.slug, m.role::text FROM organization_memberships m JOIN organizations o ON o.id = m.organization_id"
    " ORDER BY 1, 2",
    f"UPDATE organization_memberships SET role = 'manager' WHERE organization_id = '{_id(1)}' AND user_id = '{_id(0, 'b')}'",
    "UPDATE organizations SET subscription_plan = 'subscriber', subscription_plan_updated_at = now() WHERE slug = 'fog'"
    " RETURNING subscription_plan::text",
    "UPDATE organizations SET sidebar_color = 'rebeccapurple' WHERE slug = 'fog' RETURNING sidebar_color",
    "UPDATE organizations SET sidebar_color = NULL WHERE slug = 'bulk'",
    "UPDATE organizations SET wallet_balance_eur = wallet_balance_eur - 1.25 WHERE slug = 'acme' RETURNING"
    " wallet_balance_eur",
    "UPDATE organizations SET name = 'Fog Ltd', slug = 'fog-ltd' WHERE slug = 'fog' RETURNING name",
    "INSERT INTO organizations (name, slug) VALUES ('Other', 'acme')",
    "SELECT event FROM organization_events e JOIN organizations o ON o.id = e.organization_id WHERE slug = 'fog-ltd'"
    " ORDER BY e.id",
    # Invitations.
    f"INSERT INTO organization_invitations (id, organization_id, email, role, token, invited_by_user_id, expires_at) VALUES"
    f" ('{_id(10)}', '{_id(1)}', 'gus@example.com', 'manager', 'letter-to-gus', '{_id(0)}', now() + interval '7 days')",
    "INSERT INTO organization_invitations (organization_id, email, token, expires_at) SELECT id, 'gus@example.com',"
    " 'second letter', now() + interval '7 days' FROM organizations WHERE slug = 'fog-ltd' RETURNING role::text",
    "SELECT email, role::text FROM organization_invitations WHERE token = 'letter-to-gus' AND accepted_at IS NULL AND"
    " expires_at > now()",
    "UPDATE organization_invitations SET accepted_at = now() WHERE token = 'letter-to-gus' AND accepted_at IS NULL",
    "DELETE FROM organization_invitations WHERE token = 'second letter'",
    # Keys.
    f"INSERT INTO api_keys (id, name, key_prefix, key_hash, user_id) VALUES ('{_id(6)}', 'cli', 'sk-inv-fffff', 'hash-f',"
    f" '{_id(0)}') RETURNING name",
    f"INSERT INTO api_keys (id, name, key_prefix, key_hash, user_id, organization_id, scopes) VALUES ('{_id(6, 'e')}',"
    f" 'robot', 'sk-inv-eeeee', 'hash-e', '{_id(0)}', '{_id(1)}', '{{chat}}')",
    "SELECT name, user_id, organization_id FROM api_keys WHERE key_prefix = 'sk-inv-01234' AND revoked_at IS NULL",
    "UPDATE api_keys SET last_used_at = now() WHERE key_hash = 'hash-f'",
    f"UPDATE api_keys SET revoked_at = now() WHERE id = '{_id(6)}' AND revoked_at IS NULL",
    f"SELECT event FROM api_key_events WHERE api_key_id = '{_id(6)}' ORDER BY id",
    # Instances are created and terminated.
    f"INSERT INTO instances (id, provider_id, zone_id, instance_type_id, model_id, status, organization_id) VALUES"
    f" ('{_id(5)}', '{_id(2, 'a')}', '{_id(12, 'a')}', '{_id(13, 'a')}', '{_id(4, 'a')}', 'provisioning', '{_id(1)}')"
    " RETURNING status::text, is_operational",
    f"INSERT INTO instances (id, provider_id, instance_type_id) VALUES ('{_id(5, 'e')}', '{_id(2, 'a')}', '{_id(13, 'a')}')"
    " RETURNING status::text, organization_id",
    f"INSERT INTO instances (id, provider_id, status) VALUES ('{_id(5, 'd')}', '{_id(2, 'a')}', 'asleep')",
    f"UPDATE instances SET status = 'booting', provider_instance_id = 'i-f' WHERE id = '{_id(5)}' AND status ="
    " 'provisioning'",
    f"UPDATE instances SET status = 'ready', ip_address = '10.0.0.9', api_key = 'worker-f', worker_metadata ="
    f" '{{\"gpus\": 2}}', ready_at = now() WHERE id = '{_id(5)}' RETURNING status::text, api_key",
    f"UPDATE instances SET tech_activated_by = '{_id(0)}', tech_activated_at = now(), eco_activated_at = now() WHERE id ="
    f" '{_id(5)}' RETURNING is_operational",
    "SELECT status::text, count(*) FROM instances WHERE status = ANY ('{ready,provisioning,terminated}') GROUP BY 1"
    " ORDER BY 1",
    f"SELECT from_status, to_status FROM instance_state_history WHERE instance_id = '{_id(5)}' ORDER BY to_status",
    f"INSERT INTO instance_volumes (instance_id, provider_volume_id, size_gb) VALUES ('{_id(5)}', 'vol-f', 100)",
    f"INSERT INTO instance_metrics (instance_id, sampled_at, gpu_percent) VALUES ('{_id(5)}', '2026-01-03Z', 50)"
    " ON CONFLICT (instance_id, sampled_at) DO UPDATE SET gpu_percent = excluded.gpu_percent",
    f"INSERT INTO worker_auth_tokens (instance_id, token_hash) VALUES ('{_id(5)}', 'wh')",
    f"INSERT INTO action_logs (action_type, instance_id, status) VALUES ('TERMINATE', '{_id(5)}', 'success')",
    f"UPDATE instances SET status = 'terminating' WHERE id = '{_id(5)}' RETURNING status::text",
    f"UPDATE instances SET status = 'terminated', terminated_at = now() WHERE id = '{_id(5)}'",
    f"UPDATE instances SET status = 'archived' WHERE id = '{_id(5)}'",
    # Models, offerings, shares, the workbench, settings.
    f"INSERT INTO models (id, name, model_id) VALUES ('{_id(4)}', 'Fine', 'hub/fine') RETURNING is_active",
    f"UPDATE models SET is_active = false, metadata = metadata || '{{\"q\": 4}}' WHERE id = '{_id(4)}' RETURNING metadata",
    f"INSERT INTO organization_models (id, organization_id, model_id, name, code) VALUES ('{_id(7)}', '{_id(1)}',"
    f" '{_id(4)}', 'Fog bot', 'fog-bot')",
    f"INSERT INTO organization_model_shares (id, provider_organization_id, consumer_organization_id,"
    f" organization_model_id, pricing) VALUES ('{_id(8)}', '{_id(1)}', '{_id(1, 'b')}', '{_id(7)}', '{{\"version\": 1}}')",
    f"UPDATE organization_model_shares SET status = 'paused' WHERE id = '{_id(8)}'",
    f"DELETE FROM models WHERE id = '{_id(4)}'",
    f"INSERT INTO workbench_projects (id, name, created_by_user_id) VALUES ('{_id(14)}', 'Mine', '{_id(0)}')",
    "SELECT name FROM workbench_projects WHERE deleted_at IS NULL ORDER BY name",
    f"INSERT INTO provider_settings (provider_id, organization_id, key, value_int) VALUES ('{_id(2, 'a')}',"
    f" '{_id(1, 'a')}', 'WORKER_TIMEOUT_S', 120) ON CONFLICT (provider_id, key, organization_id) DO UPDATE SET value_int ="
    " excluded.value_int RETURNING value_int",
    "UPDATE global_settings SET value_int = 21 WHERE key = 'RETENTION_DAYS' RETURNING value_int",
    # The jobs that add up: totals of a minute have no instance, or no provider.
    "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur) SELECT '2026-01-03Z',"
    " NULL, NULL, sum(t.cost_per_hour) / 60 FROM instances i JOIN instance_types t ON t.id = i.instance_type_id"
    " ON CONFLICT (bucket_minute, provider_id_key, instance_id_key) DO UPDATE SET amount_eur = excluded.amount_eur",
    "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur) SELECT '2026-01-03Z',"
    " i.provider_id, NULL, sum(t.cost_per_hour) / 60 FROM instances i JOIN instance_types t ON t.id ="
    " i.instance_type_id GROUP BY i.provider_id"
    " ON CONFLICT (bucket_minute, provider_id_key, instance_id_key) DO UPDATE SET amount_eur = excluded.amount_eur",
    "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur) SELECT '2026-01-03Z',"
    " i.provider_id, i.id, t.cost_per_hour / 60 FROM instances i JOIN instance_types t ON t.id = i.instance_type_id"
    " ON CONFLICT (bucket_minute, provider_id_key, instance_id_key) DO UPDATE SET amount_eur = excluded.amount_eur",
    "INSERT INTO finops.cost_actual_minute (bucket_minute, amount_eur) VALUES ('2026-01-03Z', 1)"
    " ON CONFLICT (bucket_minute, provider_id_key, instance_id_key) DO UPDATE SET amount_eur = excluded.amount_eur"
    " RETURNING amount_eur, provider_id_key",
    "INSERT INTO finops.cost_actual_cumulative_minute (bucket_minute, cumulative_amount_eur) VALUES ('2026-01-03Z', 2)",
    "SELECT provider_id IS NULL, instance_id IS NULL, sum(amount_eur) FROM finops.cost_actual_minute GROUP BY 1, 2"
    " ORDER BY 1, 2",
    f"INSERT INTO finops.inference_usage (id, customer_id, api_key_id, model_id, instance_id, input_tokens, output_tokens)"
    f" VALUES ('{_id(9)}', '{_id(16, 'a')}', '{_id(6)}', '{_id(4, 'a')}', '{_id(5)}', 5, 6) RETURNING total_tokens,"
    " provider_id, region_id",
    "INSERT INTO finops.inference_usage (customer_id) VALUES (gen_random_uuid())",
    "INSERT INTO finops.token_purchases (external_id, amount_eur) VALUES ('pay_1', 5) ON CONFLICT DO NOTHING",
    # Deletions.
    f"DELETE FROM instances WHERE id = '{_id(5)}' RETURNING status::text",
    f"SELECT count(*) FROM finops.cost_actual_minute WHERE instance_id = '{_id(5)}'",
    f"DELETE FROM api_keys WHERE id = '{_id(6)}'",
    f"DELETE FROM organization_models WHERE id = '{_id(7)}'",
    f"DELETE FROM organization_memberships WHERE organization_id = '{_id(1)}' AND user_id = '{_id(0, 'b')}'",
    f"DELETE FROM organizations WHERE id = '{_id(1)}'",
    f"DELETE FROM user_sessions WHERE user_id = '{_id(0)}'",
    f"DELETE FROM users WHERE id = '{_id(0)}'",
    "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM organizations), (SELECT count(*) FROM instances),"
    " (SELECT count(*) FROM api_keys)",
)
"""In the order in which they are done, in one transaction; some are refused, for reasons of the application's own."""


def answers(database: Database, login: str) -> dict[str, tuple[int, object]]:
    """Do the day's work as a login, roll it back, and return the result of each statement.

    That is the number of rows and the rows, or the class of the SQLSTATE of its error. Deferred constraints are checked
    at the end, under ``COMMIT``.
    """
    found: dict[str, tuple[int, object]] = {}
    with database.connect(login) as connection:
        connection.execute("SET LOCAL TimeZone = 'UTC'")
        for statement in (*STATEMENTS, "SET CONSTRAINTS ALL IMMEDIATE"):
            try:
                with connection.transaction():
                    cursor = connection.execute(statement.encode())
                    found[statement] = (cursor.rowcount, cursor.fetchall() if cursor.description else None)
            except psycopg.Error as error:
                found[statement] = (-1, str(error.sqlstate)[:2])
        connection.rollback()
    return found
