"""What the tables themselves refuse."""

from __future__ import annotations

from support.probes.base import Question, superuser

QUESTIONS: list[Question] = [
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
        )
    ),
]
