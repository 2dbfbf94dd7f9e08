"""Refusals of the tables themselves."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import Question, superuser

# The other values of a row in tables whose rows cannot be changed.
TRANSFER = {
    "workspace_id": "gen_random_uuid()",
    "kind": "'order'",
    "reference": "'x'",
    "payee_id": "gen_random_uuid()",
    "amount": "1",
    "fingerprint": "sha256('')",
    "occurred_at": "now()",
    "created_at": "now()",
}
ENTRY = {
    "workspace_id": "gen_random_uuid()",
    "version": "1",
    "account": "'wallet'",
    "transfer_id": "gen_random_uuid()",
    "kind": "'order'",
    "amount": "1",
    "balance_after": "1",
    "occurred_at": "now()",
    "created_at": "now()",
    "digest": "''",
    "chain": "''",
}
PRICE = {
    "organization_id": "'{acme}'",
    "offering_id": "'{o_acme}'",
    "valid_from": "'2027-01-01'",
    "number": "1",
    "eur_per_1k": "1",
}
USE = {
    "workspace_id": "'{acme}'",
    "transfer_id": "gen_random_uuid()",
    "grant_id": "(SELECT id FROM tenancy.credit_grants WHERE workspace_id = '{acme}')",
    "amount": "1",
}


def inserts(table: str, row: dict[str, str], **instead: str) -> str:
    """Return the statement that inserts a row with something else in it."""
    values = row | instead
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def copies(table: str, row: str, **instead: str) -> str:
    """Return the statement that inserts a row once more, with something else in it."""
    values = ", ".join(f"'{column}', '{value}'" for column, value in instead.items())
    return (
        f"INSERT INTO {table} SELECT"
        f" (jsonb_populate_record(NULL::{table}, to_jsonb(t) || jsonb_build_object({values}))).*"
        f" FROM {table} AS t WHERE {row}"
    )


QUESTIONS: list[Question] = [
    # Unique keys.
    *(
        superuser(statement, name)
        for statement, name in (
            (copies("tenancy.transfers", "t.id = '{t_acme}'", reference="x"), "transfers_id_idx"),
            (copies("tenancy.offering_usage", "t.id = '{u_acme}'", request_id="x"), "offering_usage_id_idx"),
            *(
                (copies(table, row, id="{nobody}"), name)
                for table, row, name in (
                    ("tenancy.access_requests", "t.id = '{r_acme}'", "access_requests_pending_idx"),
                    ("tenancy.entitlements", "t.id = '{e_acme}'", "entitlements_open_idx"),
                    ("public.provider_settings", "t.organization_id = '{acme}'", "provider_settings_tenancy_key"),
                    ("public.organization_models", "t.id = '{o_acme}'", "organization_models_tenancy_code_key"),
                    (
                        "public.organization_model_shares",
                        "t.id = '{s_acme}'",
                        "organization_model_shares_tenancy_active_key",
                    ),
                )
            ),
            (
                "INSERT INTO tenancy.invitations (organization_id, email, role, token_hash, expires_at)"
                " SELECT i.organization_id, upper(i.email), i.role, sha256('x'), i.expires_at"
                " FROM tenancy.invitations AS i WHERE i.id = '{open_acme}'",
                "invitations_pending_idx",
            ),
            (
                "INSERT INTO tenancy.invitations (organization_id, email, role, token_hash, expires_at)"
                " SELECT i.organization_id, 'x@example.com', i.role, i.token_hash, i.expires_at"
                " FROM tenancy.invitations AS i WHERE i.id = '{open_acme}'",
                "invitations_token_hash_idx",
            ),
        )
    ),
    superuser(
        [
            "INSERT INTO tenancy.transfers SELECT (jsonb_populate_record(NULL::tenancy.transfers, to_jsonb(t)"
            f" || jsonb_build_object('id', gen_random_uuid(), 'reference', '{reference}', 'reverses', t.id))).*"
            " FROM tenancy.transfers AS t WHERE t.id = '{t_acme}'"
            for reference in ("x", "y")
        ],
        "transfers_reverses_idx",
    ),
    *(
        superuser(statement, name)
        for statement, name in (
            ("UPDATE tenancy.workspaces SET kind = 'other'", "workspaces_kind_check"),
            ("UPDATE tenancy.workspaces SET user_id = '{uma}' WHERE id = '{ann}'", "workspaces_kind_check"),
            ("UPDATE tenancy.workspaces SET color = 'red;'", "workspaces_color_check"),
            ("UPDATE tenancy.workspaces SET plan = 'x'", "workspaces_plan_check"),
            ("UPDATE tenancy.workspaces SET deleted_at = now() WHERE kind = 'personal'", "workspaces_deleted_at_check"),
            ("UPDATE public.organization_memberships SET role = 'boss'", "organization_memberships_tenancy_role_check"),
            ("UPDATE public.organizations SET slug = 'ACME' WHERE id = '{bulk}'", "organization_slug_taken"),
            ("INSERT INTO tenancy.permissions VALUES ('x', 60)", "permissions_permission_check"),
            ("INSERT INTO tenancy.permissions VALUES ('x.y', 2001)", "permissions_number_check"),
            ("INSERT INTO tenancy.permissions VALUES ('x.y', 1)", "permissions_number_key"),
            ("INSERT INTO tenancy.role_permissions VALUES ('x.y', 'user')", "role_permissions_permission_fkey"),
            ("INSERT INTO tenancy.role_permissions VALUES ('models.view', 'boss')", "role_permissions_role_check"),
            (
                "INSERT INTO tenancy_private.protected_tables VALUES ('public.providers', 'other', 'id')",
                "protected_tables_shape_check",
            ),
            ("INSERT INTO tenancy_private.access VALUES ('public.models', 'TRUNCATE')", "access_command_check"),
            (
                "INSERT INTO tenancy_private.access (table_name, command, workspace)"
                " VALUES ('public.models', 'DELETE', 'other')",
                "access_workspace_check",
            ),
            ("INSERT INTO tenancy_private.access VALUES ('public.providers', 'SELECT')", "access_table_name_fkey"),
            (
                "INSERT INTO tenancy_private.adopted_parts VALUES ('public.models', 'x', 'x')",
                "adopted_parts_kind_check",
            ),
            ("UPDATE tenancy_private.changes SET state = 'other'", "changes_state_check"),
            ("INSERT INTO tenancy.role_delegations VALUES ('boss', 'user')", "role_delegations_role_check"),
            ("INSERT INTO tenancy.role_delegations VALUES ('user', 'boss')", "role_delegations_delegated_role_check"),
            ("UPDATE tenancy_private.seal_keys SET id = 'x'", "seal_keys_id_check"),
            ("INSERT INTO tenancy_private.seal_keys VALUES ('00000000', 0)", "seal_keys_current_idx"),
            ("INSERT INTO tenancy_private.ticket_keys VALUES ('x', '', '')", "ticket_keys_id_check"),
            ("UPDATE public.instances SET hourly_price_eur = 'NaN'", "instances_tenancy_amounts_check"),
            (
                "INSERT INTO finops.inference_usage (charged_amount_eur) VALUES ('Infinity')",
                "inference_usage_tenancy_amounts_check",
            ),
            (
                "INSERT INTO finops.cost_actual_minute"
                " VALUES (now(), gen_random_uuid(), gen_random_uuid(), '-Infinity')",
                "cost_actual_minute_tenancy_amounts_check",
            ),
            ("UPDATE tenancy_private.cost_state SET rolled_before = 'infinity'", "cost_state_rolled_before_check"),
            ("INSERT INTO tenancy_private.cost_state VALUES (false)", "cost_state_is_only_check"),
            ("UPDATE tenancy_private.activatable SET kind = 'x-' || kind", "activatable_kind_check"),
        )
    ),
    # Money. NaN is greater than any bound, and numeric allows Infinity.
    *(
        superuser(statement, name)
        for statement, name in (
            ("UPDATE tenancy.wallets SET currency = 'euro'", "wallets_currency_check"),
            ("UPDATE tenancy.wallets SET balance = -overdraft - 1", "wallets_balance_check"),
            ("UPDATE tenancy.wallets SET balance = 'NaN'", "wallets_balance_check"),
            ("UPDATE tenancy.wallets SET held = -1", "wallets_held_check"),
            ("UPDATE tenancy.wallets SET granted = -1", "wallets_granted_check"),
            ("UPDATE tenancy.wallets SET unpaid = -1", "wallets_unpaid_check"),
            ("UPDATE tenancy.wallets SET overdraft = -1", "wallets_overdraft_check"),
            ("UPDATE tenancy.wallets SET adoption = 'other'", "wallets_adoption_check"),
            (inserts("tenancy.transfers", TRANSFER, kind="'Top Up'"), "transfers_kind_check"),
            (inserts("tenancy.transfers", TRANSFER, reference="''"), "transfers_reference_check"),
            (inserts("tenancy.transfers", TRANSFER, amount="-1"), "transfers_amount_check"),
            (inserts("tenancy.transfers", TRANSFER, fingerprint="'x'"), "transfers_fingerprint_check"),
            (inserts("tenancy.transfers", TRANSFER, occurred_at="'infinity'"), "transfers_occurred_at_check"),
            (inserts("tenancy.ledger_entries", ENTRY, account="'other'"), "ledger_entries_account_check"),
            (inserts("tenancy.ledger_entries", ENTRY, chain="NULL"), "ledger_entries_account_check"),
            (inserts("tenancy.ledger_entries", ENTRY, amount="0"), "ledger_entries_amount_check"),
            ("UPDATE tenancy.wallet_holds SET amount = -1", "wallet_holds_amount_check"),
            ("UPDATE tenancy.wallet_holds SET reference = ''", "wallet_holds_reference_check"),
            ("UPDATE tenancy.credit_grants SET remaining = amount + 1", "credit_grants_amount_check"),
            (inserts("tenancy.credit_grant_uses", USE, amount="0"), "credit_grant_uses_amount_check"),
            ("UPDATE tenancy.unpaid_amounts SET remaining = -1", "unpaid_amounts_amount_check"),
            ("UPDATE tenancy.spending_limits SET amount = -1", "spending_limits_amount_check"),
            (
                "UPDATE tenancy.spending_limits SET api_key_id = '{k_acme}', user_id = '{ann}'",
                "spending_limits_subject_check",
            ),
            (
                "INSERT INTO tenancy_private.pending_credits"
                " VALUES ('{acme}', '{t_acme}', 'order', 0, now(), now(), '')",
                "pending_credits_amount_check",
            ),
        )
    ),
    # Offerings.
    *(
        superuser(statement, name)
        for statement, name in (
            (
                "UPDATE public.organization_models SET visibility = 'x'",
                "organization_models_tenancy_visibility_check",
            ),
            (
                "UPDATE public.organization_models SET access_policy = 'x'",
                "organization_models_tenancy_access_policy_check",
            ),
            (
                "UPDATE public.organization_models SET access_policy = 'trial'",
                "organization_models_tenancy_trial_check",
            ),
            ("UPDATE public.organization_models SET trial_days = 0", "organization_models_tenancy_trial_check"),
            (inserts("tenancy.offering_prices", PRICE, eur_per_1k="-1"), "offering_prices_eur_per_1k_check"),
            (inserts("tenancy.offering_prices", PRICE, valid_from="'infinity'"), "offering_prices_valid_from_check"),
            ("UPDATE tenancy.access_requests SET status = 'approved'", "access_requests_status_check"),
            ("UPDATE tenancy.access_requests SET message = repeat('x', 2001)", "access_requests_message_check"),
            ("UPDATE tenancy.entitlements SET kind = 'x'", "entitlements_kind_check"),
            ("UPDATE tenancy.entitlements SET ends_at = starts_at", "entitlements_ends_at_check"),
            ("UPDATE tenancy.entitlements SET used_tokens = -1, quota_tokens = 1", "entitlements_tokens_check"),
            ("UPDATE tenancy.entitlements SET eur_per_1k = 1000000", "entitlements_eur_per_1k_check"),
            ("UPDATE tenancy.offering_usage SET output_tokens = -1", "offering_usage_tokens_check"),
            ("UPDATE tenancy.offering_usage SET unpaid = amount + 1", "offering_usage_amount_check"),
        )
    ),
]
