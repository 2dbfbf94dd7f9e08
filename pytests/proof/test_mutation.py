"""Each guard of the kernel is taken away in turn, and some probe must notice.

Policies, grants, triggers, constraints and row-level security are listed from
the catalog; what functions check is listed here. Every mutation is committed in
a database of its own, asked about, and taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.mutations import Mutation
from support.mutations.catalog import catalog_mutations
from support.probes import SUMMARIES, Probe, Probed, probes
from support.scripts import differences
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def probed(database: Database, logins: Logins) -> Iterator[Probed]:
    with ExitStack() as stack:
        yield Probed(database, logins, stack)


def _answers_wrong(probed: Probed, probe: Probe) -> bool:
    try:
        probe.ask(probed)
    except (AssertionError, psycopg.Error):
        return True
    return False


def _sorted(probed: Probed) -> str:
    # What was taken and given again comes last in its list.
    return "\n".join(sorted(probed.database.dump().splitlines()))


def _most_likely_first(questions: list[Probe], mutation: Mutation) -> list[Probe]:
    """Put what is about everything first, and then what shares most names with the mutated thing."""
    names = {name for name in re.findall(r"\w+", mutation.name) if "_" in name or name.endswith("s")}
    return [
        *questions[:SUMMARIES],
        *sorted(questions[SUMMARIES:], key=lambda probe: -sum(name in probe.text for name in names)),
    ]


def _survivors(probed: Probed, mutations: list[Mutation]) -> list[str]:
    """Return the mutations that no probe noticed, and check that nothing is left of any."""
    questions, before, survivors = probes(), _sorted(probed), []
    assert mutations
    for mutation in mutations:
        probed.admin.execute(mutation.do.encode())
        if not any(_answers_wrong(probed, probe) for probe in _most_likely_first(questions, mutation)):
            survivors.append(mutation.name)
        probed.admin.execute(mutation.undo.encode())
    assert differences(before, _sorted(probed)) == ""
    wrong = [probe.text for probe in questions if _answers_wrong(probed, probe)]
    assert not wrong, "not taken back"
    return survivors


def _texts(connection: Connection, query: str, *values: Any) -> list[tuple[str, ...]]:
    return connection.execute(query, values or None).fetchall()


def test_the_probes_find_nothing_wrong(probed: Probed) -> None:
    for probe in probes():
        probe.ask(probed)


# -- from the catalog --------------------------------------------------------------------


def _of_kind(probed: Probed, *kinds: str) -> list[Mutation]:
    return [mutation for mutation in catalog_mutations(probed.admin) if mutation.kind in kinds]


def test_each_policy_counts(probed: Probed) -> None:
    # Nobody may write a column that either condition names, so the row that is
    # written meets the one because the row that was found met the other.
    survivors = ["public.api_keys: api_keys_update WITH CHECK (true)"]
    assert _survivors(probed, _of_kind(probed, "policy")) == survivors


def test_each_grant_counts(probed: Probed) -> None:
    assert _survivors(probed, _of_kind(probed, "grant")) == []


def test_each_trigger_constraint_and_attribute_counts(probed: Probed) -> None:
    assert _survivors(probed, _of_kind(probed, "trigger", "constraint", "row security", "search_path")) == []


# -- what functions check -------------------------------------------------------------------

# Function, what is in it, what stands there instead. Several of the same group
# are made together.
Change = tuple[str, str, str]
NIL = "00000000-0000-0000-0000-000000000000"
FUNCTIONS: list[tuple[Change, ...]] = [
    # the context
    (("tenancy.workspace_for(text)", "IF inner_key IS NULL OR substr", "IF false AND substr"),),
    (("tenancy.workspace_for(text)", "PERFORM tenancy_private.refuse_context();", "NULL;"),),
    *(
        (
            ("tenancy.workspace_for(text)", old, new),
            ("tenancy_private.seal_context(uuid,uuid,text,uuid)", old_too, new_too),
        )
        for old, new, old_too, new_too in (
            ("timestamptz_send(now()) || ", "", "timestamptz_send(now()) || ", ""),
            (
                "sealed_user || '/' ||",
                "'/' ||",
                "sealed_user || '/' || sealed_organization || '/' || seal_context.role",
                "'/' || sealed_organization || '/' || seal_context.role",
            ),
            (
                "'/' || sealed_organization || '/'",
                "'//'",
                "'/' || sealed_organization || '/' || seal_context.role",
                "'//' || seal_context.role",
            ),
            ("'/' || sealed_role", "'/'", "'/' || seal_context.role", "'/'"),
            ("sealed_role || '/' || sealed_credential", "sealed_role", "role || '/' || sealed_credential", "role"),
        )
    ),
    (("tenancy.workspace_for(text)", "RETURN NULL;", "NULL;"),),
    (("tenancy.workspace_for(text)", "IF sealed_organization <> '' THEN", "IF true THEN"),),
    (("tenancy.workspace_for(text)", "IF sealed_organization <> '' THEN", "IF false THEN"),),
    (("tenancy.workspace_for(text)", " AND p.role = sealed_role", ""),),
    (("tenancy.workspace_for(text)", "p.permission = workspace_for.permission AND ", ""),),
    (("tenancy.workspace_for(text)", "WHERE p.permission = workspace_for.permission;", ";"),),
    (("tenancy.workspace_for(text)", "nullif(sealed_organization, '')", "NULL"),),
    (("tenancy_private.refuse_context()", ") = '' THEN", ") = 'x' THEN"),),
    (("tenancy.has_permission(text)", "(permission IS NOT NULL) AND ", ""),),
    (("tenancy.my_permissions()", 'COALESCE(( SELECT tenancy."current_role"() AS "current_role"), p.role)', "p.role"),),
    (("tenancy.require_permission(text)", "permission IS NULL OR ", ""),),
    (("tenancy.require_permission(text)", "OR tenancy.workspace_for(permission) IS NULL", ""),),
    (("tenancy.check_permission()", "IF row_security_active(tg_relid)", "IF false"),),
    (("tenancy.check_permission()", "row_security_active(tg_relid)", "true"),),
    (("tenancy.check_permission()", "'tenancy_app'", "'tenancy_auditor'"),),
    (("tenancy.check_permission()", "WHEN 'UPDATE' THEN tg_argv[1]", "WHEN 'UPDATE' THEN tg_argv[2]"),),
    (("tenancy_private.seal_context(uuid,uuid,text,uuid)", "IF now() = statement_timestamp()", "IF false"),),
    (("tenancy_private.seal_context(uuid,uuid,text,uuid)", "AND l.objid <> ALL(", "AND false AND l.objid <> ALL("),),
    (("tenancy_private.keep_workspaces()", "RAISE EXCEPTION", "RETURN NULL; RAISE EXCEPTION"),),
    (("tenancy_private.enter_as(uuid,uuid)", "IF user_id IS NULL THEN", "IF false THEN"),),
    (("tenancy_private.enter_as(uuid,uuid)", "AND m.user_id = enter_as.user_id", ""),),
    (("tenancy_private.enter_as(uuid,uuid)", "m.organization_id = enter_as.organization_id\n            AND", ""),),
    (("tenancy_private.enter_as(uuid,uuid)", "AND w.deleted_at IS NULL", ""),),
    (("tenancy_private.enter_as(uuid,uuid)", "PERFORM tenancy_private.refuse_member();", "held_role := 'user';"),),
    (("tenancy_private.enter_as(uuid,uuid)", "THEN 'staff'", "THEN ''"),),
    (("tenancy_private.enter_as(uuid,uuid)", "ELSE '' END", "ELSE 'staff' END"),),
    (("tenancy.badge(uuid)", " AND m.user_id = current_user_id", ""),),
    (("tenancy.current_workspace()", "w.id = current_workspace.id", "w.kind = 'platform'"),),
    # organizations
    (("tenancy_private.act_in_organization(text)", "PERFORM tenancy_private.refuse_personal();", "NULL;"),),
    (("tenancy_private.act_in_organization(text)", "PERFORM tenancy.require_permission(permission);", "NULL;"),),
    (("tenancy_private.act_in_organization(text)", " AND w.deleted_at IS NULL", ""),),
    (("tenancy_private.act_in_organization(text)", "PERFORM tenancy_private.refuse_member();", "NULL;"),),
    (
        (
            "tenancy_private.act_in_organization(text)",
            "PERFORM tenancy_private.refuse_permission(permission, role);",
            "NULL;",
        ),
    ),
    (
        (
            "tenancy_private.act_in_organization(text)",
            "owner_changes = w.owner_changes + 1\n    WHERE",
            "owner_changes = w.owner_changes + 1\n    WHERE false AND",
        ),
    ),
    (("tenancy_private.act_in_organization(text)", "AND m.user_id = act_in_organization.user_id", ""),),
    (("tenancy_private.checked_name(text)", "OR trimmed ~ '[[:cntrl:]]'", ""),),
    (("tenancy_private.checked_name(text)", "OR trimmed = ''", ""),),
    (("tenancy_private.checked_slug(text)", "RAISE EXCEPTION", "RETURN slug; RAISE EXCEPTION"),),
    (
        (
            "tenancy.create_organization(text,text)",
            "VALUES (new_id, creator, 'owner', now())",
            "VALUES (new_id, creator, 'user', now())",
        ),
    ),
    (("tenancy.my_organizations()", "m.user_id = current_user_id AND ", ""),),
    (("tenancy.my_organizations()", " AND w.deleted_at IS NULL", ""),),
    (
        (
            "tenancy.update_organization(text,text,text)",
            "act_in_organization('organization.update')",
            "act_in_organization(NULL)",
        ),
    ),
    (("tenancy.update_organization(text,text,text)", "IF color !~", "IF 'x' ="),),
    (("tenancy.update_organization(text,text,text)", "WHERE o.id = acting.organization_id\n        AND", "WHERE"),),
    (("tenancy.update_organization(text,text,text)", "WHERE w.id = acting.organization_id AND", "WHERE"),),
    (("tenancy.delete_organization()", "act_in_organization('organization.delete')", "act_in_organization(NULL)"),),
    (("tenancy.delete_organization()", "WHERE w.id = acting.organization_id", "WHERE w.kind = 'organization'"),),
    (("tenancy.restore_organization(uuid)", " AND w.deleted_at IS NOT NULL", ""),),
    (("tenancy.restore_organization(uuid)", "w.id = restore_organization.organization_id AND ", ""),),
    (("tenancy.purge_organization(uuid)", " AND w.deleted_at IS NOT NULL", ""),),
    (("tenancy.purge_organization(uuid)", "WHERE o.id = purge_organization.organization_id", ""),),
    # members
    (("tenancy_private.check_delegation(text,text)", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"),),
    (("tenancy_private.check_delegation(text,text)", "WHERE d.role = acting_role", ""),),
    (("tenancy_private.check_role(text)", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"),),
    (("tenancy_private.role_of_member(uuid,uuid)", "RAISE EXCEPTION", "RETURN 'user'; RAISE EXCEPTION"),),
    (("tenancy_private.role_of_member(uuid,uuid)", "m.organization_id = role_of_member.organization_id AND ", ""),),
    (("tenancy_private.check_other_owner(uuid,uuid)", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"),),
    (("tenancy_private.check_other_owner(uuid,uuid)", "AND m.user_id <> check_other_owner.user_id", ""),),
    (
        (
            "tenancy_private.check_other_owner(uuid,uuid)",
            "m.organization_id = check_other_owner.organization_id\n            AND",
            "",
        ),
    ),
    (("tenancy_private.check_other_owner(uuid,uuid)", "AND m.role = 'owner'", ""),),
    (("tenancy.members()", "PERFORM tenancy_private.refuse_personal();", "NULL;"),),
    (("tenancy.members()", "PERFORM tenancy.require_permission('members.view');", ""),),
    (("tenancy.members()", "WHERE m.organization_id = current_organization_id", ""),),
    (
        (
            "tenancy.change_member_role(uuid,text)",
            "act_in_organization('members.change_role')",
            "act_in_organization(NULL)",
        ),
    ),
    (("tenancy.change_member_role(uuid,text)", "PERFORM tenancy_private.check_role(change_member_role.role);", ""),),
    (
        (
            "tenancy.change_member_role(uuid,text)",
            "PERFORM tenancy_private.check_delegation(acting.role, held_role);",
            "",
        ),
    ),
    (
        (
            "tenancy.change_member_role(uuid,text)",
            "PERFORM tenancy_private.check_delegation(acting.role, change_member_role.role);",
            "",
        ),
    ),
    (
        (
            "tenancy.change_member_role(uuid,text)",
            "PERFORM tenancy_private.check_other_owner(acting.organization_id, change_member_role.user_id);",
            "NULL;",
        ),
    ),
    (
        (
            "tenancy.change_member_role(uuid,text)",
            "WHERE m.organization_id = acting.organization_id AND m.user_id = change_member_role.user_id",
            "",
        ),
    ),
    (("tenancy.remove_member(uuid)", "act_in_organization('members.remove')", "act_in_organization(NULL)"),),
    (("tenancy.remove_member(uuid)", "PERFORM tenancy_private.check_delegation(acting.role, held_role);", ""),),
    (
        (
            "tenancy_private.end_membership(uuid,uuid,text)",
            "PERFORM tenancy_private.check_other_owner(organization_id, user_id);",
            "NULL;",
        ),
    ),
    (("tenancy_private.end_membership(uuid,uuid,text)", " AND m.user_id = end_membership.user_id", ""),),
    (
        (
            "tenancy_private.end_membership(uuid,uuid,text)",
            "m.organization_id = end_membership.organization_id AND ",
            "",
        ),
    ),
    # the last owner
    (("tenancy_private.keep_an_owner()", "IF FOUND THEN", "IF false THEN"),),
    (("tenancy_private.keep_an_owner()", "WHERE w.id = old.organization_id", "WHERE false"),),
    (("tenancy_private.keep_an_owner()", " AND m.role = 'owner'", ""),),
    (("tenancy_private.keep_an_owner_on_truncate()", "IF EXISTS", "IF false AND EXISTS"),),
    # the audit log
    (("tenancy_private.refuse_audit_change()", "RAISE EXCEPTION", "RETURN NULL; RAISE EXCEPTION"),),
    (
        (
            "tenancy_private.record_change(text,jsonb,jsonb,text[])",
            "WHERE e.happened AND (v.old_values IS NOT NULL OR v.new_values IS NOT NULL)",
            "WHERE e.happened",
        ),
    ),
    (
        (
            "tenancy_private.record_change(text,jsonb,jsonb,text[])",
            "operation = 'UPDATE' AND NOT moved",
            "operation = 'UPDATE'",
        ),
    ),
    (
        (
            "tenancy_private.record_change(text,jsonb,jsonb,text[])",
            "operation = 'DELETE' OR moved",
            "operation = 'DELETE'",
        ),
    ),
    (
        (
            "tenancy_private.record_change(text,jsonb,jsonb,text[])",
            "CASE WHEN entered THEN tenancy.current_user_id() END",
            "NULL",
        ),
    ),
    (
        (
            "tenancy_private.record_change(text,jsonb,jsonb,text[])",
            "CASE WHEN entered THEN tenancy.current_role() END",
            "NULL",
        ),
    ),
    (
        (
            "tenancy_private.record_change(text,jsonb,jsonb,text[])",
            "WHERE e.old_row -> c.name IS DISTINCT FROM e.new_row -> c.name",
            "",
        ),
    ),
    (
        (
            "tenancy.record_read(regclass)",
            "INSERT INTO tenancy.audit_log",
            "RETURN table_name; INSERT INTO tenancy.audit_log",
        ),
    ),
    # the latch
    (
        (
            "tenancy_private.seal_context(uuid,uuid,text,uuid)",
            "(scans > 0 OR NOT counted) AND EXISTS",
            "false AND EXISTS",
        ),
    ),
    (("tenancy_private.seal_context(uuid,uuid,text,uuid)", "(scans > 0 OR NOT counted)", "(false OR NOT counted)"),),
    (("tenancy_private.seal_context(uuid,uuid,text,uuid)", "PERFORM pg_advisory_xact_lock_shared", "-- PERFORM"),),
    # slugs
    (("tenancy_private.take_slug()", "IF new.slug IS NOT NULL THEN", "IF false THEN"),),
    (("tenancy_private.take_slug()", "VALUES (lower(new.slug), new.id)", "VALUES (new.slug, new.id)"),),
    (("tenancy_private.take_slug()", "IF lower(old.slug) = lower(new.slug) THEN", "IF true THEN"),),
    (
        (
            "tenancy_private.take_slug()",
            "DELETE FROM tenancy_private.organization_slugs AS s",
            "UPDATE tenancy_private.organization_slugs AS s SET slug = s.slug",
        ),
    ),
    (
        (
            "tenancy_private.organization_row(uuid)",
            "RETURN shown",
            "SELECT o.* INTO shown FROM public.organizations AS o WHERE o.id = organization_id; RETURN shown",
        ),
    ),
    # keys and tickets
    (("tenancy.rotate_seal_key(interval)", "WHERE k.superseded_at <= clock_timestamp() - keep", "WHERE false"),),
    (
        (
            "tenancy.rotate_seal_key(interval)",
            "WHERE k.superseded_at <= clock_timestamp() - keep",
            "WHERE k.superseded_at IS NOT NULL",
        ),
    ),
    (("tenancy_private.read_ticket(text)", "= tenancy_private.decode_base64url(part[3])", "IS NOT NULL"),),
    (("tenancy_private.read_ticket(text)", "OR k.id = header ->> 'kid'", "OR true"),),
    (("tenancy_private.read_ticket(text)", "header ->> 'kid' IS NULL OR ", ""),),
    (("tenancy_private.read_ticket(text)", "OR header ->> 'alg' IS DISTINCT FROM 'HS256'", ""),),
    (("tenancy_private.read_ticket(text)", "OR header ? 'crit'", ""),),
    (("tenancy_private.read_ticket(text)", "expires_in <= 0 OR ", ""),),
    (("tenancy_private.read_ticket(text)", "OR expires_in > 3600", ""),),
    (
        (
            "tenancy_private.read_ticket(text)",
            "OR (claims ->> 'nbf')::double precision > extract(EPOCH FROM clock_timestamp())",
            "",
        ),
    ),
    (("tenancy_private.read_ticket(text)", "OR jsonb_typeof(claims -> 'sub') IS DISTINCT FROM 'string'", ""),),
    (("tenancy_private.read_ticket(text)", "OR jsonb_typeof(claims -> 'exp') IS DISTINCT FROM 'number'", ""),),
    (("tenancy.revoke_ticket_key(text)", "IF NOT FOUND", "IF false"),),
    # invitations
    (("tenancy_private.email_key(text)", "lower(", "("),),
    (("tenancy_private.email_key(text)", "<= 320", "<= 3200"),),
    (("tenancy_private.email_key(text)", ">= 1", ">= 0"),),
    (("tenancy_private.add_user_emails()", "WHERE tenancy_private.email_key(n.email::text) IS NOT NULL", ""),),
    (("tenancy_private.change_user_email()", "IF new_key IS NULL THEN", "IF false THEN"),),
    (("tenancy_private.change_user_email()", "SET email = excluded.email", "SET email = e.email"),),
    (("tenancy_private.change_user_email()", " WHERE e.user_id = new.id", " WHERE false"),),
    (("tenancy_private.user_with_email(text)", "IF cardinality(found_ids) <= 1 THEN", "IF true THEN"),),
    (("tenancy_private.user_with_email(text)", " AND u.email::text = user_with_email.email", ""),),
    (("tenancy_private.user_with_email(text)", "RAISE EXCEPTION", "RETURN NULL; RAISE EXCEPTION"),),
    (("tenancy_private.lock_email(text)", "INSERT INTO", "RETURN; INSERT INTO"),),
    (("tenancy_private.lock_email(text)", "DO UPDATE SET uses = l.uses + 1", "DO NOTHING"),),
    (("tenancy_private.checked_email(text)", "length(trimmed) <= 254\n        AND", ""),),
    (("tenancy_private.checked_email(text)", "RAISE EXCEPTION", "RETURN trimmed; RAISE EXCEPTION"),),
    (("tenancy_private.checked_email(text)", "NOT coalesce(", "NOT nullif("),),
    (("tenancy_private.checked_email(text)", "RETURN trimmed", "RETURN email"),),
    (("tenancy_private.new_user(text,text,text,text,text)", "IF EXISTS (", "IF false AND EXISTS ("),),
    (("tenancy_private.new_user(text,text,text,text,text)", "tenancy_private.checked_email(new_user.email)", "email"),),
    *(
        (("tenancy_private.refuse_user_data(text,text,text,text,text,text,jsonb)", old, new),)
        for old, new in (
            ("(schema_name, table_name) = ('public', 'users')", "true"),
            ("(schema_name, table_name) = ('public', 'users')", "false"),
            ("a.attname = column_name OR a.atttypid = type_id", "a.attname = column_name"),
            ("IF state = '22001' THEN", "IF false THEN"),
            ("AND length(rtrim(given ->> a.attname, ' ')) > l.limit_of", ""),
            ("nullif(t.typtypmod, -1)", "NULL"),
            ("nullif(a.atttypmod, -1)", "NULL"),
            ("ELSIF state = '23502' AND columns <> '{}' THEN", "ELSIF state = '23502' THEN"),
            ("state IN ('23505', '23P01')", "state IN ('23505')"),
            ("i.indnkeyatts", "i.indnatts"),
            ("k.number, true", "0, true"),
            ("AND c.relname = constraint_name", ""),
            ("IF found ~ '\\musername\\M' THEN", "IF false THEN"),
            ("IF found ~ '\\musername\\M' THEN", "IF found ~ 'username' THEN"),
            ("IF found ~ '\\memail\\M' THEN", "IF false THEN"),
            ("c.conname = constraint_name AND ", ""),
            (" OR c.contypid = type_id)", ")"),
        )
    ),
    *(
        (("tenancy_private.write_user(uuid,boolean,text,text,text,text,text)", old, new),)
        for old, new in (
            ("'user', now()", "'admin', now()"),
            ("coalesce(write_user.email, u.email)", "write_user.email"),
            ("coalesce(write_user.username, u.username)", "write_user.username"),
            ("coalesce(write_user.first_name, u.first_name)", "write_user.first_name"),
            ("coalesce(write_user.last_name, u.last_name)", "write_user.last_name"),
            ("coalesce(write_user.password_hash, u.password_hash)", "write_user.password_hash"),
            ("coalesce(write_user.email, u.email)", "u.email"),
            ("coalesce(write_user.password_hash, u.password_hash)", "u.password_hash"),
            ("updated_at = now()", "updated_at = u.updated_at"),
            ("WHERE u.id = write_user.user_id", ""),
            ("RETURN FOUND", "RETURN true"),
            ("integrity_constraint_violation OR ", ""),
            (" OR string_data_right_truncation", ""),
            ("        RAISE;\n", "        RETURN true;\n"),
        )
    ),
    (("tenancy_private.add_member(uuid,uuid,text)", "DO NOTHING", "DO UPDATE SET role = given_role"),),
    *(
        (("tenancy_private.invitation_status(timestamptz,timestamptz,timestamptz,timestamptz,timestamptz)", old, new),)
        for old, new in (
            ("(accepted_at IS NOT NULL)", "false"),
            ("(revoked_at IS NOT NULL)", "false"),
            ("(lapsed_at IS NOT NULL) OR ", ""),
            (" OR (expires_at <= seen_at)", ""),
        )
    ),
    (
        (
            "tenancy.invite_member(text,text,interval)",
            "act_in_organization('members.invite')",
            "act_in_organization(NULL)",
        ),
    ),
    *(
        (("tenancy.invite_member(text,text,interval)", old, new),)
        for old, new in (
            ("PERFORM tenancy_private.check_role(invite_member.role);", ""),
            ("PERFORM tenancy_private.check_delegation(acting.role, invite_member.role);", ""),
            ("tenancy_private.checked_email(invite_member.email)", "btrim(invite_member.email)"),
            ("lifetime <= 0 OR ", ""),
            ("IF lifetime <= 0 OR", "IF lifetime < 0 OR"),
            ("OR lifetime > 90 * 86400", ""),
            ("coalesce(invite_member.expires_in, '7 days')", "invite_member.expires_in"),
            (" AND m.organization_id = acting.organization_id", ""),
            ("WHERE e.email = tenancy_private.email_key(invited_email) AND", "WHERE"),
            ("WHERE e.email = tenancy_private.email_key(invited_email)", "WHERE e.email = invited_email"),
            ("SET lapsed_at = invited_at", "SET lapsed_at = NULL"),
            ("AND i.expires_at <= invited_at", ""),
            ("AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.lapsed_at IS NULL", ""),
            ("AND lower(i.email) = lower(invited_email)", ""),
            ("AND lower(i.email) = lower(invited_email)", "AND i.email = invited_email"),
            ("i.organization_id = acting.organization_id", "true"),
            ("tenancy_private.token_hash(token)", "tenancy_private.token_hash('x')"),
            ("acting.user_id, invited_at", "NULL, invited_at"),
        )
    ),
    *(
        (("tenancy.invitations()", old, new),)
        for old, new in (
            ("PERFORM tenancy_private.refuse_personal();", "NULL;"),
            ("PERFORM tenancy.require_permission('members.invite');", ""),
            ("WHERE i.organization_id = current_organization_id", ""),
        )
    ),
    *(
        (("tenancy.revoke_invitation(uuid)", old, new),)
        for old, new in (
            ("act_in_organization('members.invite')", "act_in_organization(NULL)"),
            ("PERFORM tenancy_private.check_delegation(acting.role, promised_role);", ""),
            ("WHERE i.organization_id = acting.organization_id AND", "WHERE"),
            ("IF promised_role IS NULL THEN", "IF false THEN"),
            ("IF status <> 'pending' THEN", "IF false THEN"),
            ("FOR NO KEY UPDATE", ""),
            (" AND i.id = revoke_invitation.id;", ";"),
        )
    ),
    *(
        (("tenancy.accept_invitation(text,text,text,text,text)", old, new),)
        for old, new in (
            ("i.token_hash = tenancy_private.token_hash(accept_invitation.token)", "true"),
            ("i.accepted_at IS NULL AND ", ""),
            ("i.revoked_at IS NULL AND ", ""),
            ("AND i.lapsed_at IS NULL", ""),
            ("AND i.expires_at > clock_timestamp()", ""),
            ("AND w.deleted_at IS NULL", ""),
            ("WHERE w.id = invitation.organization_id AND", "WHERE"),
            ("PERFORM tenancy_private.refuse_invitation();", "RETURN;"),
            ("SET accepted_at = clock_timestamp()", "SET accepted_at = NULL"),
            ("SET accepted_by_user_id = accept_invitation.user_id", "SET accepted_by_user_id = NULL"),
            ("i.organization_id = invitation.organization_id AND i.id = invitation.id", "i.accepted_at IS NOT NULL"),
            (", invitation.role);", ", 'owner');"),
        )
    ),
    *(
        (("tenancy.peek_invitation(text)", old, new),)
        for old, new in (
            ("i.token_hash = tenancy_private.token_hash(peek_invitation.token)", "true"),
            ("i.accepted_at IS NULL AND ", ""),
            ("i.revoked_at IS NULL AND ", ""),
            ("AND i.lapsed_at IS NULL", ""),
            ("AND i.expires_at > clock_timestamp()", ""),
            ("AND w.deleted_at IS NULL", ""),
            ("PERFORM tenancy_private.refuse_invitation();", ""),
            ("WHERE e.email = tenancy_private.email_key(i.email)", "WHERE e.email = i.email"),
        )
    ),
    # tables of tenants
    *(
        (("tenancy.workspaces_for(text,text)", old, new),)
        for old, new in (
            ("IF current_workspace IS NULL THEN", "IF false THEN"),
            ("IF platform = 'always'", "IF true"),
            ("IF platform = 'always'", "IF false"),
            (" AND current_setting('tenancy.current_organization_id') = ''", ""),
            ("OR platform = 'personal' AND", "OR false AND"),
            (" AND current_setting('tenancy.current_role') = 'staff'", ""),
            ("OR platform = 'staff' AND", "OR false AND"),
        )
    ),
    (("tenancy.table_for(text,regclass)", "(tenancy.workspace_for(permission) IS NOT NULL)", "true"),),
    *(
        ((f"tenancy.default_{name}()", old, new),)
        for name, old, new in (
            ("workspace_id", "tenancy.workspace_for(NULL::text)", f"'{NIL}'::uuid"),
            ("workspace_id", "'::text) <> ''::text", "'::text) = 'x'::text"),
            ("shared_workspace_id", "tenancy.current_organization_id()", "NULL::uuid"),
            ("organization_id", "tenancy.current_organization_id()", "NULL::uuid"),
            ("user_id", "tenancy.current_user_id()", "NULL::uuid"),
            ("user_id", "(tenancy.current_organization_id() IS NULL)", "true"),
        )
    ),
    *(
        (("tenancy_private.set_workspace()", old, new),)
        for old, new in (
            ("IF new.organization_id IS NULL AND owner_id IS NULL THEN", "IF false THEN"),
            ("WHERE w.id = new.workspace_id", "WHERE false"),
            ("coalesce(new.organization_id, owner_id)", "coalesce(owner_id, new.organization_id)"),
            ("coalesce(new.organization_id, owner_id)", "new.organization_id"),
            ("WHEN tg_nargs > 0 THEN", "WHEN false THEN"),
        )
    ),
    *(
        (("tenancy.check_platform_row()", old, new),)
        for old, new in (
            ("IF row_security_active(tg_relid) AND", "IF false AND"),
            ("row_security_active(tg_relid)", "true"),
            ("OR current_setting('tenancy.current_role') <> 'staff'", ""),
            ("'tenancy_app'", "'tenancy_auditor'"),
            ("IF tg_op = 'DELETE' THEN", "IF false THEN"),
        )
    ),
    *(
        (("tenancy.assign(regclass,uuid,text,integer)", old, new),)
        for old, new in (
            ("RAISE EXCEPTION '%', coalesce(table_name", "RETURN 0; RAISE EXCEPTION '%', coalesce(table_name"),
            ("<> 2 OR NOT EXISTS", "<> 2 AND NOT EXISTS"),
            ("IF NOT coalesce(batch_size BETWEEN 1 AND 1000000, false)", "IF false"),
            (" AND w.deleted_at IS NULL", ""),
            (" AND w.kind = 'organization'", ""),
            (f"workspace_id = ''{NIL}'' AND", "true AND"),
            ("coalesce(condition, 'true')", "'true'"),
            ("WHERE %s LIMIT $1", "WHERE %s LIMIT $1 + 1"),
        )
    ),
    (("tenancy.check_permission()", "IF tg_argv[3] = 'platform' THEN", "IF false THEN"),),
    (("tenancy.check_permission()", "ELSIF tg_argv[3] = 'person' THEN", "ELSIF false THEN"),),
    (("tenancy.require_staff_or_organization()", "IF tenancy.current_organization_id() IS NULL AND", "IF false AND"),),
    (("tenancy.require_staff_or_organization()", "tenancy.current_organization_id() IS NULL AND ", ""),),
    (("tenancy.require_staff_or_organization()", " AND current_setting('tenancy.current_role') <> 'staff'", ""),),
    # API keys
    (("tenancy_private.require_person()", "IF tenancy.current_credential_id() IS NOT NULL", "IF false"),),
    (("tenancy.require_person()", "PERFORM tenancy_private.require_person();", "NULL;"),),
    (("tenancy.create_organization(text,text)", "PERFORM tenancy_private.require_person();", "NULL;"),),
    (("tenancy.leave_organization()", "PERFORM tenancy_private.require_person();", "NULL;"),),
    (("tenancy_private.act_in_organization(text)", "PERFORM tenancy_private.require_person();", "NULL;"),),
    (("tenancy.my_organizations()", "IF tenancy.current_credential_id() IS NOT NULL", "IF false"),),
    (("tenancy.my_organizations()", "WHERE o.id = current_workspace_id;", ";"),),
    (("tenancy.badge(uuid)", "WHEN by_key THEN", "WHEN false THEN"),),
    (("tenancy.badge(uuid)", "WHEN by_key THEN o.id = tenancy.current_organization_id()", "WHEN by_key THEN true"),),
    *(
        (("tenancy_private.checked_api_key_name(text)", old, new),)
        for old, new in (
            ("trimmed IS NULL OR ", ""),
            ("trimmed = '' OR ", ""),
            ("length(trimmed) > 200 OR ", ""),
            (" OR trimmed ~ '[[:cntrl:]]'", ""),
        )
    ),
    *(
        (("tenancy_private.act_on_api_keys(text)", old, new),)
        for old, new in (
            ("PERFORM tenancy_private.act_in_organization(permission);", "NULL;"),
            ("PERFORM tenancy_private.require_person();", "NULL;"),
            ("PERFORM tenancy.require_permission(permission);", "NULL;"),
            ("WHERE k.workspace_id = current_workspace\n        FOR", "FOR"),
            ("coalesce(k.revoked_at, f.revoked_at)", "f.revoked_at"),
            (" SKIP LOCKED", ""),
            ("WHERE k.id = f.id", "WHERE k.id = f.id AND false"),
            (" AND k.revoked_at IS NOT NULL", ""),
        )
    ),
    *(
        (("tenancy.create_api_key(text,timestamptz)", old, new),)
        for old, new in (
            ("act_on_api_keys('api_keys.create')", "act_on_api_keys('api_keys.view')"),
            ("tenancy_private.checked_api_key_name(name)", "name"),
            ("IF create_api_key.expires_at <= clock_timestamp()", "IF false"),
            ("encode(sha256(convert_to(key, 'UTF8')), 'hex')", "key"),
            ("encode(tenancy_private.random_bytes(), 'hex')", "repeat('0', 64)"),
            ("        tenancy.current_organization_id(),", "        NULL,"),
            ("        tenancy.current_user_id(),", "        NULL,"),
            ("        create_api_key.expires_at\n", "        NULL\n"),
        )
    ),
    *(
        (("tenancy.rename_api_key(uuid,text)", old, new),)
        for old, new in (
            ("act_on_api_keys('api_keys.update')", "act_on_api_keys('api_keys.view')"),
            ("tenancy_private.checked_api_key_name(name)", "name"),
            (" AND k.workspace_id = current_workspace", ""),
            ("k.id = rename_api_key.id AND ", ""),
            ("IF NOT FOUND", "IF false"),
        )
    ),
    *(
        (("tenancy.revoke_api_key(uuid)", old, new),)
        for old, new in (
            ("act_on_api_keys('api_keys.revoke')", "act_on_api_keys('api_keys.view')"),
            (" AND f.workspace_id = current_workspace", ""),
            (" AND k.workspace_id = current_workspace", ""),
            ("coalesce(k.revoked_at, now())", "now()"),
            (" SKIP LOCKED", ""),
            ("PERFORM tenancy_private.refuse_api_key_id();", "RETURN;"),
            ("VALUES (revoke_api_key.id, now())", "SELECT revoke_api_key.id, now() WHERE false"),
            ("ON CONFLICT (api_key_id) DO NOTHING", ""),
        )
    ),
    *(
        (("tenancy_private.find_api_key(text)", old, new),)
        for old, new in (
            ("AND k.key_hash = encode(sha256(convert_to(key, 'UTF8')), 'hex')", ""),
            ("AND k.revoked_at IS NULL", ""),
            ("AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())", ""),
            ("k.expires_at IS NULL OR ", ""),
            ("AND (k.user_id IS NOT NULL OR k.organization_id IS NOT NULL)", ""),
            ("AND w.deleted_at IS NULL", ""),
            ("AND NOT EXISTS (SELECT FROM tenancy_private.revoked_api_keys AS r WHERE r.api_key_id = k.id)", ""),
        )
    ),
    *(
        (("tenancy_private.check_fresh_api_key(uuid)", old, new),)
        for old, new in (
            ("IF NOT tenancy_private.reads_the_past() THEN", "IF true THEN"),
            ("IF NOT tenancy_private.reads_the_past() THEN", "IF false THEN"),
            (
                "PERFORM FROM public.api_keys AS k",
                "PERFORM FROM (SELECT FROM public.api_keys) AS x; PERFORM FROM tenancy.workspaces AS k",
            ),
            ("WHERE w.id = (SELECT", "WHERE false AND w.id = (SELECT"),
            (
                "VALUES (check_fresh_api_key.api_key_id, now())",
                "SELECT check_fresh_api_key.api_key_id, now() WHERE false",
            ),
            ("RAISE EXCEPTION 'the key is as it was read'", "RETURN; RAISE EXCEPTION 'the key is as it was read'"),
        )
    ),
    *(
        (("tenancy_private.record_api_key_use(uuid)", old, new),)
        for old, new in (
            (" SKIP LOCKED", ""),
            ("WHERE f.id = record_api_key_use.api_key_id\n            AND", "WHERE"),
        )
    ),
    *(
        (("tenancy.enter_with_api_key(text)", old, new),)
        for old, new in (
            ("IF found.id IS NULL THEN", "IF false THEN"),
            ("PERFORM tenancy_private.check_fresh_api_key(found.id);", ""),
            (" OR found.last_used_at < now() - interval '1 minute'", ""),
            ("found.last_used_at < now() - interval '1 minute'", "true"),
            ("AND NOT current_setting('transaction_read_only')::boolean", ""),
            ("ELSE 'user' END", "ELSE 'owner' END"),
            ("THEN '' ELSE", "THEN 'staff' ELSE"),
            ("END, found.id", "END, NULL"),
            ("found.user_id, found.organization_id,", "found.user_id, NULL,"),
        )
    ),
    (("tenancy_private.leave_api_keys()", "WHERE k.user_id = old.id AND", "WHERE"),),
    (("tenancy_private.leave_api_keys()", "SET user_id = NULL", "SET user_id = k.user_id"),),
    # instances
    *(
        (("tenancy_private.transform_instance(uuid,text)", old, new),)
        for old, new in (
            ("PERFORM tenancy.require_permission(permission);", "NULL;"),
            ("AND i.workspace_id = ANY(tenancy.workspaces_for(permission, 'personal'))", ""),
            ("'personal'))", "'always'))"),
            ("'personal'))", "'never'))"),
            ("PERFORM tenancy.require_staff_or_organization();", "NULL;"),
            ("t.action = transform_instance.action AND ", ""),
            ("PERFORM tenancy_private.refuse_instance_state(action, instance.status::text);", "RETURN;"),
            ("SET status = next_status WHERE i.id = instance_id", "SET status = next_status"),
        )
    ),
    *(
        (("tenancy.require_instance_transition(text,text)", old, new),)
        for old, new in (
            ("IF needed IS NULL THEN", "IF true THEN"),
            (" OR (t.action, new_status) = ('terminate', 'terminated')", ""),
            ("WHERE t.to_status = new_status OR", "WHERE"),
            ("old_status IN (t.to_status, 'terminated')", "old_status = 'terminated'"),
            ("old_status IN (t.to_status, 'terminated')", "old_status = t.to_status"),
            ("PERFORM tenancy.require_permission('instances.' || needed);", ""),
            ("PERFORM tenancy_private.refuse_instance_state(needed, old_status);", "NULL;"),
            ("old_status IN (t.from_status, t.to_status)", "old_status = t.from_status"),
            ("WHERE t.action = needed AND old_status", "WHERE old_status"),
        )
    ),
    (("tenancy_private.refuse_instance_state(text,text)", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"),),
    (
        (
            "tenancy_private.check_instance_status()",
            "IF old.status IS DISTINCT FROM new.status AND row_security_active(tg_relid) AND",
            "IF false AND",
        ),
    ),
    (("tenancy_private.check_instance_status()", "row_security_active(tg_relid)", "true"),),
    (("tenancy_private.empty_instances()", " AND i.workspace_id = old.id", ""),),
    (("tenancy_private.empty_instances()", "DELETE FROM public.instances AS i WHERE i.workspace_id = old.id", "NULL"),),
    # models
    *(
        (("tenancy_private.set_model_workspace()", old, new),)
        for old, new in (
            ("IF new.model_id IS NULL THEN", "IF false THEN"),
            ("WHERE m.id = new.model_id\n        AND", "WHERE"),
            ("AND m.workspace_id = ANY(ARRAY[new.workspace_id, ", "AND m.workspace_id <> ALL(ARRAY["),
            ("IF NOT FOUND THEN", "IF false THEN"),
        )
    ),
    *(
        (("tenancy_private.keep_used_model()", old, new),)
        for old, new in (
            ("used_by := 'instances'", "used_by := NULL"),
            ("used_by := 'offerings'", "used_by := NULL"),
            ("WHERE i.model_id = old.id", ""),
            ("WHERE o.model_id = old.id", ""),
        )
    ),
    (("tenancy_private.empty_models()", "WHERE o.organization_id = old.id", ""),),
    (
        (
            "tenancy_private.empty_models()",
            "DELETE FROM public.organization_models AS o",
            "PERFORM FROM public.organization_models AS o",
        ),
    ),
    (("tenancy_private.empty_models()", "WHERE m.workspace_id = old.id", ""),),
    (("tenancy_private.empty_models()", "DELETE FROM public.models AS m", "PERFORM FROM public.models AS m"),),
    # users
    (("tenancy.visible_user_ids()", "m.organization_id = current_organization", "true"),),
    (("tenancy.visible_user_ids()", "ARRAY[tenancy.current_user_id()]", "NULL"),),
]

# Accounts.
_UPDATE_USER = "tenancy.update_user(uuid,text,text,text,text,text)"
FUNCTIONS += [
    *(
        (("tenancy.visible_user_ids()", old, new),)
        for old, new in (
            ("m.organization_id = current_organization AND", ""),
            ("AND tenancy.has_permission('members.view')", ""),
            ("IF current_organization IS NULL THEN", "IF false THEN"),
        )
    ),
    *(
        (("tenancy.sees_all_users()", old, new),)
        for old, new in (
            ("(tenancy.current_organization_id() IS NULL) AND ", ""),
            (" AND (current_setting('tenancy.current_role'::text) = 'staff'::text)", ""),
        )
    ),
    *(
        (("tenancy.all_users(text,uuid,integer)", old, new),)
        for old, new in (
            ("IF NOT tenancy.sees_all_users() THEN", "IF false THEN"),
            ("coalesce(page_size BETWEEN 1 AND 10000, false)", "coalesce(page_size BETWEEN 1 AND 10000, true)"),
            ("BETWEEN 1 AND", "BETWEEN 0 AND"),
            ("AND 10000", "AND 100000"),
            ("IF with_email IS NOT NULL THEN", "IF false THEN"),
            ("WHERE e.email = tenancy_private.email_key(with_email)", "WHERE e.email = with_email"),
            ("WHERE e.email = tenancy_private.email_key(with_email)", ""),
            ("WHERE u.id > coalesce(after_id, '00000000-0000-0000-0000-000000000000')", ""),
            ("LIMIT page_size", ""),
            ("WHERE u.id = ANY(found_ids)", ""),
        )
    ),
    *(
        (("tenancy.create_user(text,text,text,text,text)", old, new),)
        for old, new in (
            ("act_in_organization('users.create')", "act_in_organization(NULL)"),
            ("PERFORM tenancy_private.check_delegation(acting.role, 'user');", ""),
            ("PERFORM tenancy_private.require_person();", ""),
            ("IF current_setting('tenancy.current_role') <> 'staff' THEN", "IF false THEN"),
            ("IF current_setting('tenancy.current_role') <> 'staff' THEN", "IF true THEN"),
            ("IF acting IS NOT NULL THEN", "IF false THEN"),
            ("new_id, 'user');", "new_id, 'owner');"),
        )
    ),
    *(
        ((_UPDATE_USER, old, new),)
        for old, new in (
            ("tenancy_private.checked_email(update_user.email)", "update_user.email"),
            ("PERFORM tenancy_private.require_person();", ""),
            ("IF update_user.user_id IS DISTINCT FROM tenancy.current_user_id() THEN", "IF false THEN"),
            ("IF update_user.user_id IS DISTINCT FROM tenancy.current_user_id() THEN", "IF true THEN"),
            ("act_in_organization('users.update')", "act_in_organization(NULL)"),
            ("WHERE d.role = acting.role AND", "WHERE"),
            ("AND NOT EXISTS (", "AND EXISTS ("),
            ("update_user.user_id) = 'owner'", "update_user.user_id) <> ''"),
            ("IF update_user.email IS NOT NULL OR ", "IF "),
            (" OR update_user.password_hash IS NOT NULL THEN", " THEN"),
            ("ELSIF current_setting('tenancy.current_role') <> 'staff' THEN", "ELSIF true THEN"),
            ("PERFORM tenancy_private.refuse_other_account();", ""),
            ("PERFORM tenancy_private.lock_email(new_email);", ""),
            ("IF EXISTS (", "IF false AND EXISTS ("),
            ("e.email = tenancy_private.email_key(new_email) AND", "e.email = new_email AND"),
            (" AND e.user_id <> update_user.user_id", ""),
            ("PERFORM tenancy_private.refuse_user_id();", ""),
        )
    ),
    *(
        (("tenancy.delete_user(uuid)", old, new),)
        for old, new in (
            ("act_in_organization('users.delete')", "act_in_organization(NULL)"),
            ("PERFORM tenancy_private.check_delegation(acting.role, held_role);", ""),
            ("PERFORM tenancy_private.end_membership(acting.organization_id, delete_user.id, held_role);", ""),
            ("        RETURN;\n", ""),
            ("PERFORM tenancy_private.require_person();", ""),
            ("delete_user.id IS DISTINCT FROM tenancy.current_user_id()\n        AND", ""),
            ("current_setting('tenancy.current_role') <> 'staff'", "true"),
            ("PERFORM tenancy_private.refuse_other_account();", ""),
            ("WHERE m.user_id = delete_user.id AND m.role = 'owner'", "WHERE m.user_id = delete_user.id"),
            ("m.organization_id = o.id AND m.user_id", "m.user_id"),
            (" AND m.user_id <> delete_user.id", ""),
            ("m.user_id <> delete_user.id AND m.role = 'owner'", "m.user_id <> delete_user.id"),
            ("IF left_ownerless IS NOT NULL THEN", "IF false THEN"),
            ("DELETE FROM tenancy.workspaces AS w", "PERFORM FROM tenancy.workspaces AS w"),
            ("WHERE w.id = delete_user.id AND w.kind", "WHERE w.kind"),
            ("WHERE u.id = delete_user.id", ""),
            ("PERFORM tenancy_private.refuse_user_id();", ""),
            ("WHEN foreign_key_violation OR restrict_violation THEN", "WHEN division_by_zero THEN"),
            ("IF referring_table = '' THEN", "IF false THEN"),
            ("IF deferrable_keys IS NOT NULL THEN", "IF false THEN"),
            ("'public.users', ", ""),
            ("'public.api_keys', ", ""),
            ("'public.instances', ", ""),
            ("'public.instances', 'tenancy.workspaces'", "'public.instances'"),
            ("                RAISE SQLSTATE 'T0000';\n", ""),
        )
    ),
    # Either of the two makes the second owner wait.
    (
        (
            "tenancy.delete_user(uuid)",
            "        FOR NO KEY UPDATE\n    );\n"
            "    UPDATE tenancy.workspaces AS w SET owner_changes = w.owner_changes + 1 WHERE w.id = ANY(owned);",
            "    );",
        ),
    ),
    (("tenancy_private.refuse_other_account()", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"),),
    (("tenancy_private.refuse_user_id()", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"),),
]


def _named(changes: tuple[Change, ...]) -> str:
    return " and ".join(f"{function}: {old!r} -> {new!r}" for function, old, new in changes)


# Which of them change nothing that anybody could see, and why.
REDUNDANT = {
    _named(changes): why
    for changes, why in (
        (
            (("tenancy_private.read_ticket(text)", "OR jsonb_typeof(claims -> 'sub') IS DISTINCT FROM 'string'", ""),),
            "what is no text is no uuid, and what is absent is nobody: the cast and enter_with_ticket() refuse both",
        ),
        (
            (("tenancy.enter_with_api_key(text)", "found.last_used_at < now() - interval '1 minute'", "true"),),
            "record_api_key_use() asks again, in a subtransaction that is saved here",
        ),
    )
}


@pytest.mark.parametrize("part", range(2))
def test_each_check_in_a_function_counts(probed: Probed, part: int) -> None:
    mutations, absent = [], []
    for changes in FUNCTIONS[part::2]:
        do, undo = [], []
        for function, old, new in changes:
            ((definition,),) = _texts(probed.admin, "SELECT pg_get_functiondef(%s::regprocedure)", function)
            if old not in definition:
                absent.append((function, old))
            do.append(definition.replace(old, new))
            undo.append(definition)
        mutations.append(Mutation(_named(changes), changes[0][0], "function", ";\n".join(do), ";\n".join(undo)))
    assert not absent, "the functions are written in other words by now"
    expected = [mutation.name for mutation in mutations if mutation.name in REDUNDANT]
    survivors = _survivors(probed, mutations)
    assert survivors == expected, "\n".join(survivors)
