"""Which modules open for whom, and modules of an application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.racing import name_of
from support.replay import Replay
from support.roles import Place

Connection = psycopg.Connection[tuple[Any, ...]]


def states(place: Place, who: str) -> dict[str, str]:
    """Return the state of each module."""
    return dict(place.ask(who, "SELECT key, state FROM tenancy.visible_modules()"))


# In the order of the menu.
EVERYBODY = ["my_dashboard", "chat", "models", "workbench", "api_keys"]
RUNNING = [
    "admin_dashboard",
    "instances",
    "observability",
    "monitoring",
    "organizations",
    "traces",
    "gpu_activity",
]
MANAGING = ["users", "settings"]
ALL = [*EVERYBODY, *RUNNING, *MANAGING]


@pytest.mark.parametrize(
    ("who", "visible", "others"),
    [
        ("owner", ALL, "visible"),
        ("admin", ALL, "visible"),
        ("manager", [*EVERYBODY, *RUNNING], "forbidden"),
        ("user", EVERYBODY, "forbidden"),
        ("person", EVERYBODY, "organization_required"),
        ("staff", EVERYBODY, "organization_required"),
        ("platform", ALL, "visible"),
    ],
)
def test_modules_open_for_roles_in_organizations(place: Place, who: str, visible: list[str], others: str) -> None:
    found = place.ask(who, "SELECT key, state, reason FROM tenancy.visible_modules()")
    assert [key for key, _, _ in found] == ALL
    assert [(key, state) for key, state, _ in found] == [(key, "visible" if key in visible else others) for key in ALL]
    for key, state, reason in found:
        assert (reason is None) == (state == "visible")
        answer = place.error(who, "SELECT tenancy.require_module(%s)", key)
        assert answer == {"visible": "done", "forbidden": "module_forbidden"}.get(state, state)


def test_modules_have_names_paths_and_reasons(place: Place) -> None:
    found = {key: rest for key, *rest in place.ask("user", "SELECT * FROM tenancy.visible_modules()")}
    assert found["my_dashboard"] == ["My Dashboard", "/my-dashboard", "visible", None]
    assert found["admin_dashboard"] == [
        "Admin Dashboard",
        "/admin-dashboard",
        "forbidden",
        "It opens for: owner, admin, manager, staff.",
    ]
    assert found["settings"][-1] == "It opens for: owner, admin, staff."
    alone = dict(place.ask("person", "SELECT key, reason FROM tenancy.visible_modules()"))
    assert alone["settings"] == "It opens in an organization."


def test_an_api_key_opens_what_a_user_opens(place: Place, connect: Callable[..., Connection]) -> None:
    ((made, key),) = place.ask("owner", "SELECT id, key FROM tenancy.create_api_key('ci')")
    place.ask("owner", "SELECT tenancy.activate('api_key', %s, a) FROM unnest(ARRAY['tech', 'eco']) AS a", made)
    connection = connect(place.logins.credentialed)
    connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
    found = connection.execute("SELECT key, state FROM tenancy.visible_modules()").fetchall()
    assert dict(found) == states(place, "user")


def test_an_unknown_module_is_an_error_for_everybody(place: Place) -> None:
    for who, key in (("owner", "'none'"), ("person", "'none'"), ("platform", "NULL")):
        with pytest.raises(psycopg.Error) as raised:
            place.ask(who, f"SELECT tenancy.require_module({key})")
        assert (raised.value.sqlstate, name_of(raised.value)) == ("P0002", "unknown_module")


def test_an_application_adds_modules_of_its_own(place: Place, admin: Connection) -> None:
    admin.execute("SELECT tenancy.define_permission('reports.view', roles => '{manager}')")
    admin.execute("SELECT tenancy.define_module('reports', 'Reports', '/reports', permission => 'reports.view')")
    admin.execute("SELECT tenancy.define_module('diary', 'Diary', '/diary', workspaces => '{personal}')")
    admin.execute("SELECT tenancy.define_module('staff', 'Staff', '/staff', workspaces => '{platform}')")
    assert [states(place, who)["reports"] for who in ("owner", "manager", "person", "platform")] == [
        "forbidden",
        "visible",
        "visible",
        "forbidden",
    ]
    assert [states(place, who)["diary"] for who in ("owner", "person", "platform")] == [
        "forbidden",
        "visible",
        "forbidden",
    ]
    assert [states(place, who)["staff"] for who in ("owner", "person", "platform")] == [
        "forbidden",
        "forbidden",
        "visible",
    ]
    assert list(states(place, "owner"))[-3:] == ["reports", "diary", "staff"]
    reasons = dict(place.ask("owner", "SELECT key, reason FROM tenancy.visible_modules()"))
    assert [reasons[key] for key in ("reports", "diary", "staff")] == [
        "It opens for: manager.",
        "It opens in a personal workspace.",
        "It opens for: staff.",
    ]
    admin.execute("SELECT tenancy.define_module('chat', 'Talk', '/talk', roles => '{user}', place => 1000)")
    (talk,) = place.ask("owner", "SELECT name, path, state FROM tenancy.visible_modules() WHERE key = 'chat'")
    assert talk == ("Talk", "/talk", "forbidden")
    assert list(states(place, "user"))[-1] == "chat"
    admin.execute("DELETE FROM tenancy.modules WHERE key = 'chat'")
    assert "chat" not in states(place, "user")


SENSELESS = [
    "'Reports', 'Reports', '/r'",
    "NULL, 'Reports', '/r'",
    "'reports', ' ', '/r'",
    "'reports', NULL, '/r'",
    "'reports', E'Re\\nports', '/r'",
    "'reports', 'Reports', 'r'",
    "'reports', 'Reports', NULL",
    "'reports', 'Reports', '/r s'",
    "'reports', 'Reports', '/r', roles => '{}'",
    "'reports', 'Reports', '/r', roles => '{boss}'",
    "'reports', 'Reports', '/r', workspaces => '{}'",
    "'reports', 'Reports', '/r', workspaces => NULL",
    "'reports', 'Reports', '/r', workspaces => '{moon}'",
    "'reports', 'Reports', '/r', permission => 'reports.view'",
]


def test_a_module_that_makes_no_sense_is_refused(admin: Connection) -> None:
    for arguments in SENSELESS:
        with pytest.raises(psycopg.Error) as raised:
            admin.execute(f"SELECT tenancy.define_module({arguments})".encode())
        assert (raised.value.sqlstate, name_of(raised.value)) == ("22023", "module_invalid"), arguments


def test_a_change_of_the_matrix_opens_modules_from_the_next_transaction(place: Place, admin: Connection) -> None:
    admin.execute("INSERT INTO tenancy.role_permissions (permission, role) VALUES ('settings.update', 'manager')")
    assert states(place, "manager")["settings"] == "visible"
    assert states(place, "manager")["users"] == "forbidden"


def test_changes_of_modules_are_in_the_audit_log(place: Place, admin: Connection) -> None:
    admin.execute("SELECT tenancy.define_module('chat', 'Talk', '/talk')")
    found = place.ask(
        "platform",
        "SELECT action, old_values ->> 'name', new_values ->> 'name' FROM tenancy.audit_log"
        " WHERE (object_kind, object_id) = ('module', 'chat') ORDER BY occurred_at DESC LIMIT 1",
    )
    assert found == [("module.update", "Chat", "Talk")]


# -- May something be provisioned? ----------------------------------------------------------


def provisioning(place: Place, who: str) -> tuple[Any, ...]:
    ((allowed, state, providers),) = place.ask(who, "SELECT allowed, state, providers FROM tenancy.can_provision()")
    return allowed, state, providers


def test_opening_instances_does_not_imply_provisioning(place: Place) -> None:
    ready: tuple[Any, ...] = (True, "ready", [place.provider])
    not_allowed: tuple[Any, ...] = (False, "forbidden", [])
    assert [provisioning(place, who) for who in ("owner", "admin", "manager", "user", "person", "platform")] == [
        ready,
        ready,
        not_allowed,
        not_allowed,
        ready,
        ready,
    ]
    ((reason,),) = place.ask("manager", "SELECT reason FROM tenancy.can_provision()")
    assert reason == "It takes the permission instances.create. Roles that hold it: owner, admin, staff."
    assert states(place, "manager")["instances"] == "visible"


def test_a_provider_that_is_switched_off_makes_nothing(place: Place, admin: Connection) -> None:
    admin.execute("ALTER TABLE public.providers ADD is_active boolean")
    assert provisioning(place, "owner") == (True, "ready", [place.provider])
    admin.execute("UPDATE public.providers SET is_active = false")
    assert provisioning(place, "owner") == (False, "no_provider", [])
    admin.execute("DELETE FROM public.providers")
    assert provisioning(place, "owner") == (False, "no_provider", [])


# -- There and back --------------------------------------------------------------------------


def test_modules_of_a_dba_survive_a_revert(database_at: Callable[[str], Database]) -> None:
    database = database_at("@phase-10")
    database.execute(
        "SELECT tenancy.define_module('reports', 'Reports', '/reports', permission => 'instances.view')",
        "DELETE FROM tenancy.modules WHERE key = 'chat'",
        "UPDATE tenancy.modules SET roles = '{owner}' WHERE key = 'traces'",
    )
    modules = "SELECT * FROM tenancy.modules ORDER BY key"
    before = database.fetch(modules)
    Replay(database).revert("@phase-7")
    Replay(database).deploy("@phase-10")
    assert database.fetch(modules) == before
    assert database.fetch("SELECT to_regnamespace('tenancy_archive')") == [(None,)]


def test_a_revert_leaves_nothing_where_nobody_changed_anything(
    state: Callable[..., Database],
) -> None:
    database = state(
        "CREATE TABLE public.providers (id uuid PRIMARY KEY, name text, is_active boolean)", "@phase-7", owned=True
    )
    before = database.dump()
    Replay(database).deploy("@phase-10")
    Replay(database).verify()
    Replay(database).revert("@phase-7")
    assert database.dump() == before
    assert database.fetch("SELECT to_regnamespace('tenancy_archive')") == [(None,)]
