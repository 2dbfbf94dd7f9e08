"""Offerings: visibility, access, prices, decisions, and the costs of calls."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import ENTER_WITH_KEY, NIL, Question, superuser

_RESOLVE = "SELECT is_allowed, reason, access, eur_per_1k::float FROM tenancy.resolve_offering('{{{}}}')"
_SHARE = "UPDATE public.organization_model_shares SET {} WHERE id = '{{s_bulk}}'"
_ENTITLED = "UPDATE tenancy.entitlements SET {} WHERE id = '{{e_bulk}}'"
_OFFERED = "UPDATE public.organization_models SET {} WHERE id = '{{{}}}'"
_DEAR_SHARE = _SHARE.format(
    'starts_at = now(), pricing = \'{"version": 1, "type": "per_1k_tokens", "eur_per_1k": 50}\''
)
_ENDED_SHARE = (
    "INSERT INTO public.organization_model_shares (provider_organization_id, consumer_organization_id,"
    " organization_model_id, status, pricing, starts_at, ends_at) VALUES ('{{bulk}}', '{{acme}}', '{{o_bulk_own}}',"
    ' \'revoked\', \'{{"version": 1, "type": "per_1k_tokens", "eur_per_1k": 3}}\', \'2026-01-01\', {})'
)
_PUBLIC = _OFFERED.format("visibility = 'public', access_policy = 'pay_per_token'", "o_bulk_own")
_PRICE = "INSERT INTO tenancy.offering_prices VALUES ('{{bulk}}', '{{o_bulk}}', '{}', {}, {})"
_RECORD = "SELECT amount::float, replayed FROM tenancy.record_usage({})"
_HELD = "SELECT held::integer FROM tenancy.wallets WHERE workspace_id = '{acme}'"


def _cheap_share(status: str, ends_at: str) -> str:
    pricing = '{"version": 1, "type": "per_1k_tokens", "eur_per_1k": 1}'
    return _SHARE.format(f"status = '{status}', ends_at = {ends_at}, pricing = '{pricing}'")


QUESTIONS: list[Question] = [
    # Access to offerings, with which right and at which price.
    *(
        ("app", "ann", where, _RESOLVE.format(name), answer)
        for where, name, answer in (
            ("acme", "o_acme", [(True, None, "own", 2.0)]),
            ("acme", "o_bulk", [(True, None, "contract", 2.0)]),
            ("acme", "o_bulk_asked", [(False, "request_pending", None, 2.0)]),
            ("acme", "o_bulk_own", [(True, None, "share", 2.0)]),
            ("acme", "nobody", "offering_not_found"),
            (None, "o_bulk", [(True, None, "pay_per_token", 2.0)]),
            (None, "o_bulk_asked", [(False, "request_required", None, 2.0)]),
            (None, "o_bulk_own", "offering_not_found"),
            (None, "m_public", [(True, None, "model", None)]),
            ("acme", "m_acme", [(True, None, "model", None)]),
            ("acme", "m_bulk", "offering_not_found"),
        )
    ),
    *(
        ("app", "ann", None, f"SELECT kind, full_name FROM tenancy.resolve_offering('{name}')", answer)
        for name, answer in (
            ("bulk/o_bulk", [("offering", "bulk/o_bulk")]),
            ("bulk/o_bulk_own", "offering_not_found"),
            ("acme/o_bulk", "offering_not_found"),
            ("of/public", [("model", "of/public")]),
            ("of/acme", "offering_not_found"),
            ("o_bulk", "organization_required"),
        )
    ),
    *(
        superuser([*changes, "as app", f"enter {who}", _RESOLVE.format(name)], answer)
        for changes, who, name, answer in (
            ([_SHARE.format("status = 'paused'")], "ann acme", "o_bulk_own", [(False, "share_paused", None, 2.0)]),
            ([_SHARE.format("status = 'revoked'")], "ann acme", "o_bulk_own", "offering_not_found"),
            ([_SHARE.format("ends_at = '2026-01-02'")], "ann acme", "o_bulk_own", "offering_not_found"),
            ([_SHARE.format("starts_at = '2100-01-01'")], "ann acme", "o_bulk_own", "offering_not_found"),
            (
                [_SHARE.format("consumer_organization_id = '{duo}'")],
                "ann acme",
                "o_bulk_own",
                "offering_not_found",
            ),
            (
                [_SHARE.format('pricing = \'{"version": 1, "type": "per_1k_tokens", "eur_per_1k": 0.5}\'')],
                "ann acme",
                "o_bulk_own",
                [(True, None, "share", 0.5)],
            ),
            (
                [_SHARE.format('pricing = \'{"version": 2, "type": "per_1k_tokens", "eur_per_1k": 0}\'')],
                "ann acme",
                "o_bulk_own",
                [(True, None, "share", 2.0)],
            ),
            ([_ENTITLED.format("revoked_at = now()")], "ann acme", "o_bulk", [(True, None, "pay_per_token", 2.0)]),
            ([_ENTITLED.format("eur_per_1k = 1")], "ann acme", "o_bulk", [(True, None, "contract", 1.0)]),
            ([_ENTITLED.format("consumer_id = '{duo}'")], "ann acme", "o_bulk", [(True, None, "pay_per_token", 2.0)]),
            (
                [
                    _ENTITLED.format("quota_tokens = 10, used_tokens = 10"),
                    _OFFERED.format("visibility = 'unlisted'", "o_bulk"),
                ],
                "ann acme",
                "o_bulk",
                [(False, "quota_exhausted", None, 2.0)],
            ),
            (
                [_ENTITLED.format("ends_at = '2026-01-02'"), _OFFERED.format("visibility = 'private'", "o_bulk")],
                "ann acme",
                "o_bulk",
                [(False, "entitlement_ended", None, 2.0)],
            ),
            (
                [_OFFERED.format("visibility = 'unlisted'", "o_bulk")],
                "ann None",
                "o_bulk",
                [(False, "request_required", None, 2.0)],
            ),
            ([_OFFERED.format("visibility = 'private'", "o_bulk")], "ann None", "o_bulk", "offering_not_found"),
            ([_OFFERED.format("access_policy = 'free'", "o_bulk")], "ann None", "o_bulk", [(True, None, "free", 0.0)]),
            (
                [_OFFERED.format("access_policy = 'subscription_required'", "o_bulk")],
                "ann None",
                "o_bulk",
                [(False, "subscription_required", None, 2.0)],
            ),
            (
                [
                    _OFFERED.format("access_policy = 'subscription_required'", "o_bulk"),
                    "UPDATE tenancy.workspaces SET plan = 'subscriber' WHERE id = '{ann}'",
                ],
                "ann None",
                "o_bulk",
                [(True, None, "subscription", 2.0)],
            ),
            (
                [_OFFERED.format("access_policy = 'trial', trial_days = 1", "o_bulk")],
                "ann None",
                "o_bulk",
                [(True, None, "trial", 0.0)],
            ),
            (
                [
                    _OFFERED.format("access_policy = 'trial', trial_days = 1", "o_bulk"),
                    "INSERT INTO tenancy.entitlements (organization_id, offering_id, consumer_id, kind, starts_at,"
                    " ends_at) VALUES ('{bulk}', '{o_bulk}', '{ann}', 'trial', '2026-01-01', '2026-01-02')",
                ],
                "ann None",
                "o_bulk",
                [(False, "trial_ended", None, 2.0)],
            ),
            (
                [_OFFERED.format("is_active = false", "o_bulk")],
                "ann None",
                "o_bulk",
                [(False, "inactive", "pay_per_token", 2.0)],
            ),
            (
                [_OFFERED.format("eco_activated_at = NULL", "o_bulk")],
                "ann None",
                "o_bulk",
                [(False, "not_operational", "pay_per_token", 2.0)],
            ),
            (
                ["INSERT INTO tenancy_private.pending_deactivations VALUES ('offering', '{o_bulk}', 'tech')"],
                "ann None",
                "o_bulk",
                [(False, "not_operational", "pay_per_token", 2.0)],
            ),
            (
                ["DELETE FROM tenancy.offering_prices"],
                "ann None",
                "o_bulk",
                [(False, "price_missing", "pay_per_token", None)],
            ),
            (
                ["UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = '{bulk}'"],
                "ann None",
                "o_bulk",
                "offering_not_found",
            ),
            ([_PRICE.format("2026-02-01", 1, 3)], "ann None", "o_bulk", [(True, None, "pay_per_token", 3.0)]),
            ([_PRICE.format("2026-01-01", 2, 1)], "ann None", "o_bulk", [(True, None, "pay_per_token", 1.0)]),
            ([_PRICE.format("2100-01-01", 1, 3)], "ann None", "o_bulk", [(True, None, "pay_per_token", 2.0)]),
        )
    ),
    # The permissions of each role.
    *(
        ("app", who, "acme", f"SELECT tenancy.{call}", "permission_denied")
        for who, call in (
            ("uma", "publish_offering('{m_acme}', 'c', 'n')"),
            ("max", "publish_offering('{m_acme}', 'c', 'n')"),
            ("abe", "publish_offering('{m_acme}', 'c', 'n', eur_per_1k => 1)"),
            ("max", "update_offering('{o_acme}', name => 'n')"),
            ("abe", "set_offering_price('{o_acme}', 1)"),
            ("abe", "share_offering('{o_acme}', '{duo}')"),
            ("abe", "pause_share('{s_acme}')"),
            ("abe", "approve_access('{r_acme}')"),
            ("abe", "deny_access('{r_acme}')"),
            ("abe", "revoke_entitlement('{e_acme}')"),
            ("abe", "reverse_usage('{u_bulk}')"),
            ("uma", "offering_earnings()"),
            ("uma", "offering_calls('{o_acme}')"),
            ("uma", "set_catalog_preferences(false, false, false)"),
        )
    ),
    *(
        superuser(
            [
                "DELETE FROM tenancy.role_permissions WHERE permission LIKE 'offerings.%'",
                "as app",
                "enter uma acme",
                f"SELECT tenancy.{call}",
            ],
            "permission_denied",
        )
        for call in (
            "catalog_preferences()",
            "community_catalog()",
            "shared_offerings()",
            "access_requests()",
            "resolve_offering('bulk/o_bulk')",
            "request_access('{o_bulk_asked}')",
            "authorize_usage('{o_bulk}', 1)",
            "release_usage('{a_acme}')",
            "record_usage('r', '{o_bulk}', 1, 1)",
            "record_usages('{}')",
        )
    ),
    *(
        ("app", None, None, [ENTER_WITH_KEY.format("k_acme"), f"SELECT tenancy.{call}"], "person_required")
        for call in ("request_access('{o_bulk_asked}')",)
    ),
    # Rows of others do not exist for a workspace.
    *(
        ("app", "ann", "acme", f"SELECT tenancy.{call}", answer)
        for call, answer in (
            ("publish_offering('{m_bulk}', 'c', 'n')", "model_not_found"),
            ("publish_offering('{m_acme}', 'o_acme', 'n')", "offering_code_taken"),
            ("publish_offering('{m_acme}', 'C', 'n')", "offering_invalid"),
            ("publish_offering('{m_acme}', 'c', ' ')", "offering_invalid"),
            ("publish_offering('{m_acme}', 'c', 'n', access_policy => 'trial')", "offering_invalid"),
            ("publish_offering('{m_acme}', 'c', 'n', eur_per_1k => -1)", "price_invalid"),
            ("publish_offering('{m_acme}', 'c', 'n', eur_per_1k => 0.0000001)", "price_invalid"),
            ("publish_offering('{m_public}', 'o_bulk', 'n', eur_per_1k => 1) IS NULL", [(False,)]),
            ("update_offering('{o_bulk}', name => 'n')", "offering_not_found"),
            ("update_offering('{o_acme}', code => 'o_acme_own')", "offering_code_taken"),
            ("update_offering('{o_acme}', code => 'o_acme')", [("",)]),
            ("update_offering('{o_acme}', visibility => 'x')", "offering_invalid"),
            ("set_offering_price('{o_bulk}', 1)", "offering_not_found"),
            ("set_offering_price('{o_acme}', -1)", "price_invalid"),
            ("set_offering_price('{o_acme}', 1, '2026-01-01')", "price_time_invalid"),
            ("set_offering_price('{o_acme}', 1, 'infinity')", "price_time_invalid"),
            ("share_offering('{o_bulk}', '{duo}')", "offering_not_found"),
            ("share_offering('{o_acme}', '{acme}')", "consumer_not_found"),
            ("share_offering('{o_acme}', '{gone}')", "consumer_not_found"),
            ("share_offering('{o_acme}', '{ann}')", "consumer_not_found"),
            ("share_offering('{o_acme_own}', '{bulk}')", "already_shared"),
            ("share_offering('{o_acme}', '{duo}', '{\"eur_per_1k\": 0}')", "pricing_invalid"),
            ("share_offering('{o_acme}', '{duo}', ends_at => '2026-01-01')", "period_invalid"),
            ("share_offering('{o_acme}', '{duo}', starts_at => '2026-01-01')", "period_invalid"),
            ("share_offering('{o_acme}', '{duo}') IS NULL", [(False,)]),
            ("pause_share('{s_bulk}')", "share_not_found"),
            ("resume_share('{s_acme}')", "share_state_invalid"),
            ("request_access('{o_bulk_asked}')", "already_requested"),
            ("request_access('{o_bulk}')", "access_granted"),
            ("request_access('{o_acme}')", "access_granted"),
            ("request_access('{o_bulk_own}')", "access_granted"),
            ("request_access('{nobody}')", "offering_not_found"),
            ("approve_access('{r_bulk}')", "request_not_found"),
            ("approve_access('{r_acme}', quota_tokens => 0)", "quota_invalid"),
            ("approve_access('{r_acme}', eur_per_1k => -1)", "price_invalid"),
            ("approve_access('{r_acme}', ends_at => '2026-01-01')", "period_invalid"),
            ("deny_access('{r_bulk}')", "request_not_found"),
            ("revoke_entitlement('{e_bulk}')", "entitlement_not_found"),
            ("reverse_usage('{u_acme}')", "usage_not_found"),
            ("release_usage('{a_bulk}')", "hold_not_found"),
            ("authorize_usage('{o_bulk}', 0)", "tokens_invalid"),
            ("authorize_usage('{o_bulk}', 1, '2 days')", "hold_expiry_invalid"),
            ("authorize_usage('{o_acme}', 1, '2 days')", "hold_expiry_invalid"),
            ("authorize_usage('{o_bulk}', 600000)", "insufficient_funds"),
            ("authorize_usage('{o_bulk_asked}', 1)", "request_pending"),
            ("authorize_usage('{nobody}', 1)", "offering_not_found"),
            ("authorize_usage('{o_bulk}', 1) IS NULL", [(False,)]),
            ("offering_calls('{o_acme}', page_size => 0)", "page_size_invalid"),
            ("community_catalog(page_size => 0)", "page_size_invalid"),
        )
    ),
    ("app", "ann", None, "SELECT tenancy.request_access('{o_bulk_own}')", "offering_not_found"),
    ("app", "ann", None, "SELECT tenancy.request_access('{o_bulk_asked}', repeat('x', 2001))", "message_invalid"),
    ("app", "ann", None, "SELECT tenancy.publish_offering('{m_acme}', 'c', 'n')", "organization_required"),
    *(
        superuser(
            ["as app", "enter ann acme", *calls, "as None", query],
            answer,
        )
        for calls, query, answer in (
            (
                ["SELECT tenancy.pause_share('{s_acme}')"],
                "SELECT status, ends_at FROM public.organization_model_shares WHERE id = '{s_acme}'",
                [("paused", None)],
            ),
            (
                [
                    "SELECT tenancy.revoke_share(tenancy.share_offering("
                    "'{o_acme}', '{bulk}', starts_at => now() + '1 d', ends_at => now() + '2 d'))"
                ],
                "SELECT ends_at - starts_at = '1 us' FROM public.organization_model_shares WHERE starts_at > now()",
                [(True,)],
            ),
            (
                ["SELECT tenancy.revoke_share('{s_acme}')"],
                "SELECT status, ends_at > now() FROM public.organization_model_shares WHERE id = '{s_acme}'",
                [("revoked", True)],
            ),
            (
                ["SELECT tenancy.approve_access('{r_acme}')"],
                "SELECT r.status, r.decided_by_user_id::text, e.consumer_id::text, e.kind"
                " FROM tenancy.access_requests AS r JOIN tenancy.entitlements AS e ON e.request_id = r.id"
                " WHERE r.id = '{r_acme}'",
                [("approved", "{ann}", "{bulk}", "contract")],
            ),
            (
                ["SELECT tenancy.deny_access('{r_acme}', 'No.')"],
                "SELECT status, reason, (SELECT count(*) FROM tenancy.entitlements) FROM tenancy.access_requests"
                " WHERE id = '{r_acme}'",
                [("denied", "No.", 2)],
            ),
            (
                ["SELECT tenancy.revoke_entitlement('{e_acme}')"],
                "SELECT id::text FROM tenancy.entitlements WHERE revoked_at IS NOT NULL",
                [("{e_acme}",)],
            ),
            (
                ["SELECT tenancy.set_offering_price('{o_acme}', 7)"],
                "SELECT eur_per_1k::float, user_id::text FROM tenancy.offering_prices WHERE valid_from > '2026-01-01'",
                [(7.0, "{ann}")],
            ),
            (
                ["SELECT tenancy.update_offering('{o_acme}', name => 'N')"],
                "SELECT id::text FROM public.organization_models WHERE name = 'N'",
                [("{o_acme}",)],
            ),
            (["SELECT tenancy.release_usage('{a_acme}')"], _HELD, [(1,)]),
        )
    ),
    *(
        ("app", "ann", "acme", [f"SELECT tenancy.{first}", f"SELECT tenancy.{then}"], answer)
        for first, then, answer in (
            ("approve_access('{r_acme}')", "deny_access('{r_acme}')", "request_not_pending"),
            ("revoke_entitlement('{e_acme}')", "revoke_entitlement('{e_acme}')", "entitlement_not_found"),
            ("revoke_share('{s_acme}')", "resume_share('{s_acme}')", "share_state_invalid"),
            ("release_usage('{a_acme}')", "release_usage('{a_acme}')", "hold_not_found"),
        )
    ),
    superuser(
        [
            "UPDATE public.organization_model_shares SET starts_at = '2000-01-01', ends_at = '2001-01-01'"
            " WHERE id = '{s_acme}'",
            "as app",
            "enter ann acme",
            "SELECT tenancy.revoke_share('{s_acme}')",
            "as None",
            "SELECT status, ends_at::date::text FROM public.organization_model_shares WHERE id = '{s_acme}'",
        ],
        [("revoked", "2001-01-01")],
    ),
    # Offerings of others.
    *(
        superuser(
            [*changes, "as app", f"enter {who}", "SELECT code FROM tenancy.community_catalog() ORDER BY 1"],
            [(code,) for code in codes.split()],
        )
        for changes, who, codes in (
            ([], "ann acme", "o_bulk o_bulk_asked"),
            ([], "ann None", "o_acme o_acme_asked o_bulk o_bulk_asked"),
            ([_OFFERED.format("is_active = false", "o_bulk")], "ann acme", "o_bulk_asked"),
            ([_OFFERED.format("tech_activated_at = NULL", "o_bulk")], "ann acme", "o_bulk_asked"),
            (["UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = '{bulk}'"], "ann acme", ""),
            (["UPDATE tenancy.catalog_preferences SET shows_public = false"], "ann acme", ""),
            (["UPDATE tenancy.catalog_preferences SET shows_paid = false"], "ann acme", ""),
            (["UPDATE tenancy.catalog_preferences SET shows_contracts = false"], "ann acme", "o_bulk"),
            (
                ["UPDATE tenancy.catalog_preferences SET shows_public = false WHERE workspace_id = '{bulk}'"],
                "ann acme",
                "o_bulk o_bulk_asked",
            ),
        )
    ),
    (
        "app",
        "ann",
        "acme",
        [
            "SELECT tenancy.set_catalog_preferences(shows_paid => false)",
            "SELECT * FROM tenancy.catalog_preferences()",
        ],
        [(True, False, True)],
    ),
    *(
        superuser(
            [*changes, "as app", f"enter {who}", "SELECT code, right_kind FROM tenancy.shared_offerings() ORDER BY 1"],
            answer,
        )
        for changes, who, answer in (
            ([], "ann acme", [("o_bulk", "contract"), ("o_bulk_own", "share")]),
            ([], "ann None", []),
            ([_SHARE.format("status = 'revoked'")], "ann acme", [("o_bulk", "contract")]),
            ([_SHARE.format("ends_at = '2026-01-02'")], "ann acme", [("o_bulk", "contract")]),
            ([_ENTITLED.format("revoked_at = now()")], "ann acme", [("o_bulk_own", "share")]),
            ([_ENTITLED.format("ends_at = '2026-01-02'")], "ann acme", [("o_bulk_own", "share")]),
            (["UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = '{bulk}'"], "ann acme", []),
        )
    ),
    *(
        superuser(
            [
                *changes,
                "as app",
                f"enter {who}",
                "SELECT direction, name, other_name FROM tenancy.access_requests() ORDER BY 1",
            ],
            answer,
        )
        for changes, who, answer in (
            ([], "uma acme", [("made", "bulk/o_bulk_asked", "Bulk"), ("received", "acme/o_acme_asked", "Bulk")]),
            ([], "ann None", []),
            (
                [_OFFERED.format("visibility = 'private'", "o_bulk_asked")],
                "uma acme",
                [("received", "acme/o_acme_asked", "Bulk")],
            ),
        )
    ),
    # Calls.
    *(
        ("app", "uma", "acme", _RECORD.format(arguments), answer)
        for arguments, answer in (
            ("'r', '{o_bulk}', 100, 100", [(0.4, False)]),
            ("'r', '{o_acme}', 100, 100", [(0.0, False)]),
            ("'request', '{o_bulk}', 500, 500", [(2.0, True)]),
            ("'request', '{o_bulk}', 500, 501", "reference_reused"),
            ("'r', '{o_bulk_asked}', 1, 1", "request_pending"),
            ("'r', '{nobody}', 1, 1", "offering_not_found"),
            ("'', '{o_bulk}', 1, 1", "request_id_invalid"),
            ("NULL, '{o_bulk}', 1, 1", "request_id_invalid"),
            ("'r', '{o_bulk}', -1, 1", "tokens_invalid"),
            ("'r', '{o_bulk}', 1, NULL", "tokens_invalid"),
            ("'r', '{o_bulk}', 1, 1, '2026-01-01'", "occurred_at_invalid"),
            ("'r', '{o_bulk}', 1, 1, '2100-01-01'", "occurred_at_invalid"),
            ("'r', '{o_bulk}', 1, 1, hold => '{a_bulk}'", "hold_not_found"),
            ("'r', '{o_acme}', 1, 1, hold => '{a_bulk}'", "hold_not_found"),
            ("'r', '{o_bulk_own}', 1, 1, hold => '{a_acme}'", "hold_not_found"),
            ("'r', '{o_bulk}', 500, 500, hold => '{a_acme}'", [(2.0, False)]),
            ("'r', '{o_bulk}', 300000, 300000", "insufficient_funds"),
        )
    ),
    # Agreed terms hold, whatever the provider does meanwhile.
    superuser(
        [
            _OFFERED.format("is_active = false", "o_bulk"),
            _ENTITLED.format("revoked_at = now()"),
            "as app",
            "enter uma acme",
            _RECORD.format("'r', '{o_bulk}', 500, 500, hold => '{a_acme}'"),
            "as None",
            _HELD,
        ],
        [(1,)],
    ),
    # A price set after the authorization does not count, unless it is lower.
    *(
        superuser(
            [
                "UPDATE tenancy.usage_authorizations SET agreed_eur_per_1k = NULL, max_eur_per_1k = 2",
                _PRICE.format("now", 9, price),
                "as app",
                "enter uma acme",
                _RECORD.format("'r', '{o_bulk}', 500, 500, hold => '{a_acme}'"),
            ],
            [(amount, False)],
        )
        for price, amount in ((9, 2.0), (1, 1.0))
    ),
    superuser(
        [
            "UPDATE tenancy.usage_authorizations SET expires_at = '2026-01-01'",
            _OFFERED.format("is_active = false", "o_bulk"),
            "as app",
            "enter uma acme",
            _RECORD.format("'r', '{o_bulk}', 500, 500, hold => '{a_acme}'"),
        ],
        "offering_inactive",
    ),
    *(
        superuser(
            [
                _ENTITLED.format(f"quota_tokens = {quota}"),
                *more,
                "as app",
                "enter uma acme",
                f"SELECT tenancy.{call} IS NULL",
            ],
            answer,
        )
        # Of these, 1000 are used, and others authorized.
        for quota, more in (
            (2005, []),
            (1005, ["UPDATE tenancy.usage_authorizations SET expires_at = '2026-01-01'"]),
        )
        for call, answer in (
            ("authorize_usage('{o_bulk}', 6)", "quota_exhausted"),
            ("authorize_usage('{o_bulk}', 5)", [(False,)]),
            ("record_usage('r', '{o_bulk}', 3, 3)", "quota_exhausted"),
            ("record_usage('r', '{o_bulk}', 2, 3)", [(False,)]),
        )
    ),
    # Also where the application computes a column of the costs.
    *(
        superuser(
            [
                *changes,
                "as app",
                "enter uma acme",
                _RECORD.format("'r', '{o_bulk}', 100, 100"),
                "as None",
                "SELECT used_tokens, i.charged_amount_eur::float, i.total_tokens, u.user_id::text FROM"
                " tenancy.entitlements AS e, tenancy.offering_usage AS u JOIN finops.inference_usage AS i USING (id)"
                " WHERE e.id = '{e_bulk}' AND u.request_id = 'r'",
            ],
            [(1200, 0.4, 200, "{uma}")],
        )
        for changes in (
            [],
            [
                "ALTER TABLE finops.inference_usage DROP COLUMN total_tokens,"
                " ADD COLUMN total_tokens bigint GENERATED ALWAYS AS (input_tokens + output_tokens) STORED"
            ],
        )
    ),
    *(
        ("service", None, None, f"SELECT tenancy.{call}", "consumer_not_found")
        for who in ("{nobody}", "{gone}", NIL)
        for call in (
            f"record_usage_for('{who}', 'r', '{{o_bulk}}', 1, 1)",
            f"authorize_usage_for('{who}', '{{o_bulk}}', 1)",
        )
    ),
    *(
        (
            "service",
            None,
            None,
            [f"SET TRANSACTION ISOLATION LEVEL {level}", f"SELECT tenancy.{call}"],
            "read_committed_required",
        )
        for level in ("REPEATABLE READ", "SERIALIZABLE")
        for call in (
            "record_usage_for('{acme}', 'r', '{o_bulk_own}', 1, 1)",
            "authorize_usage_for('{acme}', '{o_bulk_own}', 1)",
        )
    ),
    # A right does not raise the price of calls before it.
    *(
        superuser(
            [
                *changes,
                "as app",
                "enter uma acme",
                _RECORD.format(f"'r', '{{{offering}}}', 1000, 0, now() - interval '1 minute'"),
            ],
            [(price, False)],
        )
        for changes, offering, price in (
            ([_DEAR_SHARE], "o_bulk_own", 2.0),
            ([_DEAR_SHARE, _OFFERED.format("access_policy = 'free'", "o_bulk_own")], "o_bulk_own", 0.0),
            ([_DEAR_SHARE, _ENDED_SHARE.format("now()")], "o_bulk_own", 3.0),
            ([_DEAR_SHARE, _ENDED_SHARE.format("now() - interval '1 hour'")], "o_bulk_own", 2.0),
            ([_ENTITLED.format("starts_at = now(), eur_per_1k = 50")], "o_bulk", 2.0),
            # Nor does its end.
            ([_ENTITLED.format("eur_per_1k = 1, revoked_at = now()")], "o_bulk", 1.0),
            ([_ENTITLED.format("eur_per_1k = 1, revoked_at = now() - interval '1 hour'")], "o_bulk", 2.0),
            ([_ENTITLED.format("eur_per_1k = 1, revoked_at = now(), quota_tokens = 9000")], "o_bulk", 2.0),
            ([_PUBLIC, _cheap_share("paused", "NULL")], "o_bulk_own", 1.0),
            ([_PUBLIC, _cheap_share("revoked", "now()")], "o_bulk_own", 1.0),
            ([_PUBLIC, _cheap_share("revoked", "now() - interval '1 hour'")], "o_bulk_own", 2.0),
        )
    ),
    # For the provider, and for services.
    *(
        (login, who, where, "SELECT returned::float, replayed FROM tenancy.reverse_usage('{u_bulk}')", [(2.0, False)])
        for login, who, where in (("app", "max", "acme"), ("service", None, None))
    ),
    superuser(
        [
            "SELECT tenancy.reverse_usage('{u_acme}')",
            "SELECT used_tokens, (SELECT reversed_at IS NOT NULL FROM tenancy.offering_usage WHERE id = '{u_acme}'),"
            " (SELECT charged_amount_eur::float FROM finops.inference_usage WHERE id = '{u_acme}')"
            " FROM tenancy.entitlements WHERE id = '{e_bulk}'",
        ],
        [(0, True, 0.0)],
    ),
    superuser(
        [
            "SELECT tenancy.reverse_usage('{u_acme}')",
            "SELECT returned::float, replayed FROM tenancy.reverse_usage('{u_acme}')",
        ],
        [(2.0, True)],
    ),
    superuser(
        [
            _OFFERED.format("access_policy = 'free'", "o_bulk"),
            "SELECT tenancy.record_usage_for('{duo}', 'r', '{o_bulk}', 1, 1)",
            "as app",
            "enter max acme",
            "SELECT code, calls FROM tenancy.offering_earnings()",
        ],
        [("o_acme", 1)],
    ),
    ("app", "max", "acme", "SELECT code, calls, amount::float FROM tenancy.offering_earnings()", [("o_acme", 1, 2.0)]),
    *(
        ("app", "max", "acme", f"SELECT count(*) FROM tenancy.offering_calls('{{{name}}}'{since})", [(count,)])
        for name, since, count in (("o_acme", "", 1), ("o_bulk", "", 0), ("o_acme", ", now()", 0))
    ),
    # What ceases to be free has its price from then on.
    *(
        superuser(
            [
                "UPDATE public.organization_models SET access_policy = 'free' WHERE id = '{o_acme}'",
                "INSERT INTO tenancy.offering_prices VALUES ('{acme}', '{o_acme}', '2100-01-01', 1, 7)",
                "as app",
                "enter ann acme",
                "SELECT tenancy.update_offering('{o_acme}', access_policy => 'pay_per_token')",
                "as None",
                f"SELECT tenancy_private.offering_price('{{acme}}', '{{o_acme}}', {moment})::float",
            ],
            [(price,)],
        )
        for moment, price in (("now()", 0.0), ("clock_timestamp()", 2.0), ("'2100-01-02'", 7.0))
    ),
    # A public model that others offer stays public.
    *(
        superuser(
            [
                *before,
                f"UPDATE public.models SET organization_id = {owner}, workspace_id ="
                f" coalesce({owner}::uuid, '00000000-0000-0000-0000-000000000000') WHERE id = '{{{model}}}'",
                f"SELECT organization_id IS NULL FROM public.models WHERE id = '{{{model}}}'",
            ],
            answer,
        )
        for model, owner, before, answer in (
            ("m_public", "'{acme}'", [], "model_in_use"),
            (
                "m_public",
                "'{acme}'",
                ["DELETE FROM public.organization_models WHERE organization_id = '{bulk}'"],
                [(False,)],
            ),
            ("m_spare", "'{acme}'", [], [(False,)]),
            (
                "m_acme",
                "NULL",
                [
                    "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
                    " VALUES ('{acme}', '{m_acme}', 'n', 'c')"
                ],
                [(True,)],
            ),
        )
    ),
    # Only own or public models.
    *(
        ("service", None, None, _OFFERED.format(f"model_id = '{{{model}}}'", "o_acme") + " RETURNING 1", answer)
        for model, answer in (
            ("m_acme", [(1,)]),
            ("m_spare", [(1,)]),
            ("m_bulk", "organization_models_model_id_fkey"),
        )
    ),
    # Calls, ledger and FinOps agree.
    ("service", None, None, "SELECT * FROM tenancy.reconcile_usage()", []),
    ("auditor", None, None, "SELECT * FROM tenancy.reconcile_usage()", []),
    *(
        superuser(
            [
                "ALTER TABLE tenancy.transfers DISABLE TRIGGER USER",
                statement,
                "SELECT problem, payer_id::text FROM tenancy.reconcile_usage() ORDER BY 1",
            ],
            [(problem, "{acme}") for problem in problems],
        )
        for statement, *problems in (
            (
                "UPDATE tenancy.offering_usage SET amount = 3, unpaid = 0 WHERE id = '{u_acme}'",
                "call_differs",
                "cost_differs",
            ),
            ("UPDATE tenancy.offering_usage SET input_tokens = 0 WHERE id = '{u_acme}'", "call_differs"),
            ("UPDATE tenancy.offering_usage SET eur_per_1k = 3 WHERE id = '{u_acme}'", "call_differs"),
            ("UPDATE tenancy.transfers SET fingerprint = sha256('') WHERE id = '{u_acme}'", "call_differs"),
            (
                "UPDATE tenancy.offering_usage SET reversed_at = now() WHERE id = '{u_acme}'",
                "cost_differs",
                "reversal_differs",
            ),
            ("UPDATE finops.inference_usage SET charged_amount_eur = 1 WHERE id = '{u_acme}'", "cost_differs"),
            ("DELETE FROM tenancy.offering_usage WHERE id = '{u_acme}'", "movement_without_call"),
            ("DELETE FROM tenancy.transfers WHERE id = '{u_acme}'", "call_without_movement"),
        )
    ),
]
