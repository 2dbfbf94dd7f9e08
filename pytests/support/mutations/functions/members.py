"""Memberships, roles and the last owner."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.check_delegation(text,text)": [
        ("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"),
        ("WHERE d.role = acting_role", ""),
    ],
    "tenancy_private.check_role(text)": [("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION")],
    "tenancy_private.role_of_member(uuid,uuid)": [
        ("RAISE EXCEPTION", "RETURN 'user'; RAISE EXCEPTION"),
        ("m.organization_id = role_of_member.organization_id AND ", ""),
    ],
    "tenancy_private.check_other_owner(uuid,uuid)": [
        ("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"),
        ("AND m.user_id <> check_other_owner.user_id", ""),
        ("m.organization_id = check_other_owner.organization_id\n            AND", ""),
        ("AND m.role::text = 'owner'", ""),
    ],
    "tenancy.members()": [
        ("tenancy_private.read_in_organization('members.view')", "tenancy.current_workspace_id()"),
        ("WHERE m.organization_id = current_organization_id", ""),
    ],
    "tenancy.member(uuid)": [
        ("tenancy_private.read_in_organization('members.view')", "tenancy.current_workspace_id()"),
        ("m.organization_id = current_organization_id AND ", ""),
        (" AND m.user_id = member.id", ""),
    ],
    "tenancy.change_member_role(uuid,text)": [
        ("act_in_organization('members.change_role')", "act_in_organization(NULL)"),
        ("PERFORM tenancy_private.check_role(change_member_role.role);", ""),
        ("PERFORM tenancy_private.check_delegation(acting.role, held_role);", ""),
        ("PERFORM tenancy_private.check_delegation(acting.role, change_member_role.role);", ""),
        ("PERFORM tenancy_private.check_other_owner(acting.organization_id, change_member_role.user_id);", "NULL;"),
        ("'user_id', change_member_role.user_id", "'organization_id', acting.organization_id"),
        ("jsonb_build_object('organization_id', acting.organization_id, ", "jsonb_build_object("),
    ],
    "tenancy.remove_member(uuid)": [
        ("act_in_organization('members.remove')", "act_in_organization(NULL)"),
        ("PERFORM tenancy_private.check_delegation(acting.role, held_role);", ""),
    ],
    "tenancy_private.end_membership(uuid,uuid,text)": [
        ("PERFORM tenancy_private.check_other_owner(organization_id, user_id);", "NULL;"),
        (", 'user_id', end_membership.user_id", ""),
        ("'organization_id', end_membership.organization_id, ", ""),
    ],
    "tenancy_private.keep_an_owner()": [
        ("IF FOUND THEN", "IF false THEN"),
        ("WHERE w.id = old.organization_id", "WHERE false"),
        (" AND m.role::text = 'owner'", ""),
    ],
    "tenancy_private.keep_an_owner_on_truncate()": [("IF EXISTS", "IF false AND EXISTS")],
}
