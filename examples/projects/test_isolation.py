"""The proof that the application's tables are isolated: PG_TENANCY_TEST_DSN=... pytest test_isolation.py."""

import pytest

from pg_tenancy.errors import PermissionDeniedError
from pg_tenancy.testing import RowOf

PROGRESS = {"progress(uuid)": [RowOf("public.tasks", "project_id")]}


def test_projects(assert_isolated, assert_contract):
    assert_contract("public.projects")
    assert_isolated("public.projects")


def test_tasks(assert_isolated, assert_contract):
    assert_contract("public.tasks")
    assert_isolated("public.tasks", functions=PROGRESS, values={"public.tasks": {"is_done": True}})


def test_progress(assert_isolated):
    assert_isolated(function="public.progress", arguments=[RowOf("public.tasks", "project_id")])


def test_an_organization_sees_its_own_projects(tenancy):
    acme, globex = tenancy.organization(), tenancy.organization()
    with tenancy.workspace(acme.owner, acme) as ws:
        ws.execute("INSERT INTO projects (name) VALUES ('Website')")
    with tenancy.workspace(acme.owner, acme) as ws:
        assert ws.fetch_all("SELECT name FROM open_projects") == [("Website",)]
    with tenancy.workspace(globex.owner, globex) as ws:
        assert ws.fetch_all("SELECT name FROM open_projects") == []


def test_a_user_creates_no_projects(tenancy):
    acme = tenancy.organization()
    with pytest.raises(PermissionDeniedError), tenancy.workspace(tenancy.member(acme, "user"), acme) as ws:
        ws.execute("INSERT INTO projects (name) VALUES ('Website')")
