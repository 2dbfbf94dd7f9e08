"""tenancy.assign() for an application's own tables."""

from __future__ import annotations

import pytest

from support.application import Application, all_of, one
from support.two_tenants import refused

ASSIGN = "SELECT tenancy.assign(%s, %s, %s, %s)"


def assign(
    app: Application, table: str, condition: str = "true", *, size: int = 5000, login: str | None = None
) -> list[int]:
    """Assign rows to Acme until none are left; return the number of each call."""
    given: list[int] = []
    while not given or given[-1]:
        with app.connected(login or app.logins.service, keep=True) as connection:
            given.append(one(connection, ASSIGN, table, app.acme.id, condition, size))
    return given[:-1]


@pytest.mark.parametrize("login", ["service", "owner"])
def test_rows_from_before_become_an_organizations(own_app: Application, login: str) -> None:
    name = own_app.owner if login == "owner" else own_app.logins.service
    assert assign(own_app, "public.customers", login=name) == [1]
    with own_app.entered("ann", own_app.acme) as connection:
        assert all_of(connection, "SELECT name FROM public.customers") == ["Acme customer", "legacy customer"]
        # Their children moved too.
        assert all_of(connection, "SELECT name FROM public.projects") == ["Acme project", "legacy project"]
        assert all_of(connection, "SELECT title FROM public.tasks") == ["Acme task", "legacy task"]
    with own_app.entered("gina", own_app.globex) as connection:
        assert all_of(connection, "SELECT name FROM public.customers") == ["Globex customer"]
    with own_app.on_the_platform() as connection:
        assert all_of(connection, "SELECT name FROM public.customers") == []


def test_a_condition_and_batches(bare_app: Application) -> None:
    bare_app.run(
        "INSERT INTO public.customers (name) SELECT 'c' || n FROM generate_series(1, 25) AS n",
        "CALL tenancy.protect('public.customers')",
    )
    assert assign(bare_app, "public.customers", "name LIKE 'c%' -- all but one", size=10) == [10, 10, 5]
    with bare_app.connected() as connection:
        left = "SELECT name FROM public.customers WHERE workspace_id <> %s"
        assert all_of(connection, left, bare_app.acme.id) == ["legacy customer"]


def test_rows_of_others_stay_whose_they_are(own_app: Application) -> None:
    assert assign(own_app, "public.customers", "name <> 'legacy customer'") == []
    with own_app.entered("gina", own_app.globex) as connection:
        assert all_of(connection, "SELECT name FROM public.customers") == ["Globex customer"]


def test_children_go_with_their_parent_and_without_one_by_themselves(own_app: Application) -> None:
    own_app.run("INSERT INTO public.tasks (title) VALUES ('of no project')")
    with own_app.connected(own_app.logins.service) as connection, refused("55000", "table_not_protected"):
        connection.execute(ASSIGN, ["public.tasks", own_app.acme.id, "true", 10])
    assert assign(own_app, "public.tasks", "project_id IS NULL") == [1]
    with own_app.entered("ann", own_app.acme) as connection:
        assert all_of(connection, "SELECT title FROM public.tasks") == ["Acme task", "of no project"]


def test_notes_from_before_have_no_author_and_show_where_they_are_shared(own_app: Application) -> None:
    own_app.run("INSERT INTO public.notes (body, is_shared) VALUES ('legacy shared', true)")
    assert assign(own_app, "public.notes") == [2]
    with own_app.entered("uma", own_app.acme) as connection:
        assert "legacy shared" in all_of(connection, "SELECT body FROM public.notes")
        assert "legacy note" not in all_of(connection, "SELECT body FROM public.notes")


def test_partitions_are_given_batch_by_batch(bare_app: Application) -> None:
    bare_app.run(
        "CREATE TABLE public.events (id integer, part integer, PRIMARY KEY (id, part)) PARTITION BY LIST (part)",
        *(f"CREATE TABLE public.events_{n} PARTITION OF public.events FOR VALUES IN ({n})" for n in (1, 2, 3)),
        "INSERT INTO public.events SELECT n, p FROM generate_series(1, 7) AS n, generate_series(1, 3) AS p",
        "CALL tenancy.protect('public.events')",
    )
    given = assign(bare_app, "public.events", "id <= 6", size=4)
    assert sum(given) == 18
    assert max(given) <= 4
    with bare_app.connected() as connection:
        left = "SELECT array_agg(DISTINCT id) FROM public.events WHERE workspace_id <> %s"
        assert one(connection, left, bare_app.acme.id) == [7]


def test_assignments_survive_unprotect(bare_app: Application) -> None:
    bare_app.run("CALL tenancy.protect('public.customers')")
    assign(bare_app, "public.customers")
    for _ in range(2):
        bare_app.run("CALL tenancy.unprotect('public.customers')", "CALL tenancy.protect('public.customers')")
    with bare_app.connected() as connection:
        assert all_of(connection, "SELECT workspace_id FROM public.customers") == [bare_app.acme.id]


@pytest.mark.parametrize("table", ["public.countries", "public.organizations", "public.users"])
def test_a_table_without_workspaces_has_nothing_to_give(own_app: Application, table: str) -> None:
    with own_app.connected(own_app.logins.service) as connection, refused("55000", "table_not_protected"):
        connection.execute(ASSIGN, [table, own_app.acme.id, "true", 1])


def test_a_table_that_is_not_protected_any_more_has_nothing_to_give(bare_app: Application) -> None:
    bare_app.run("CALL tenancy.protect('public.customers')", "CALL tenancy.unprotect('public.customers')")
    with bare_app.connected(bare_app.logins.service) as connection, refused("55000", "table_not_protected"):
        connection.execute(ASSIGN, ["public.customers", bare_app.acme.id, "true", 1])


@pytest.mark.parametrize("login", ["app", "credentialed", "auditor"])
def test_it_is_for_services(own_app: Application, login: str) -> None:
    with own_app.connected(getattr(own_app.logins, login)) as connection, refused("42501"):
        connection.execute(ASSIGN, ["public.customers", own_app.acme.id, "true", 1])
