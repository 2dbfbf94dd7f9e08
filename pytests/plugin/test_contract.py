"""Every manual change to the results of protect() and allow() is a finding, even a harmless one."""

from __future__ import annotations

import pytest

from pg_tenancy.testing import check_contract
from support.application import TENANT_TABLES, Application, Connection


@pytest.mark.parametrize("table", [*TENANT_TABLES, "public.countries", "public.users"])
def test_a_table_that_nobody_changed_is_as_it_was_made(admin: Connection, app: Application, table: str) -> None:
    report = check_contract(admin, table, role=app.logins.app).require()
    policies = admin.execute("SELECT count(*) FROM pg_policy WHERE polrelid = %s::regclass", [table]).fetchone()
    assert policies is not None
    assert sum(cell.question.startswith("policy ") for cell in report.cells) == policies[0] > 2


CHANGES = {
    "a policy more": (
        "CREATE POLICY more ON public.customers TO tenancy_app USING (false)",
        "policy more is not in the contract",
    ),
    "a policy less": ("DROP POLICY customers_delete ON public.customers", "policy customers_delete is missing"),
    "another policy": (
        "ALTER POLICY customers_tenant ON public.customers USING (workspace_id = tenancy.current_workspace_id())",
        "policy customers_tenant differs",
    ),
    "another role": ("ALTER POLICY customers_select ON public.customers TO public", "policy customers_select differs"),
    "not forced": (
        "ALTER TABLE public.customers NO FORCE ROW LEVEL SECURITY",
        "row-level security is enabled, not forced, wanted enabled, forced. To repair it: ALTER TABLE",
    ),
    "a grant more": ("GRANT SELECT (remark) ON public.customers TO tenancy_credentialed", "tenancy_credentialed may"),
    "a grant less": ("REVOKE DELETE ON public.customers FROM tenancy_credentialed", "tenancy_credentialed may"),
    "a grant to everybody": ("GRANT SELECT ON public.customers TO PUBLIC", "public may SELECT"),
    "a grant to the login": (
        "GRANT UPDATE (remark), TRUNCATE ON public.customers TO {}",
        "it may TRUNCATE, UPDATE (remark)",
    ),
    "a unique key": (
        "CREATE UNIQUE INDEX ON public.customers (name)",
        "its check of taken keys does not match its unique keys. To repair it: CALL",
    ),
    "a trigger that is off": (
        "ALTER TABLE public.customers DISABLE TRIGGER customers_tenancy_permission",
        "trigger customers_tenancy_permission differs",
    ),
    "an owner that may be missing": (
        "ALTER TABLE public.customers ALTER workspace_id DROP NOT NULL, ALTER workspace_id DROP DEFAULT",
        "it may be NULL, it has no default, and tenants may not write it",
    ),
    "an owner that need not exist": (
        "ALTER TABLE public.customers DROP CONSTRAINT customers_tenancy_workspace_id_fkey",
        "no foreign key defines the owner of the rows",
    ),
    "a parent of anybody": (
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_tenancy_project_id_fkey",
        "no foreign key keeps rows in the workspace of their parents",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_by_hand_is_a_finding(admin: Connection, app: Application, change: str) -> None:
    statement, words = CHANGES[change]
    admin.execute(statement.format(app.logins.app).encode())
    table = "public.tasks" if "tasks" in statement else "public.customers"
    with pytest.raises(AssertionError) as raised:
        check_contract(admin, table, role=app.logins.app).require()
    assert words in str(raised.value)
    assert " FAILED" in str(raised.value)


def test_the_statement_in_the_finding_repairs_it(admin: Connection, app: Application) -> None:
    admin.execute("DROP POLICY customers_delete ON public.customers")
    (finding,) = check_contract(admin, "public.customers", role=app.logins.app).problems
    assert finding.answer is not None
    admin.execute(finding.answer.partition("To repair it: ")[2].encode())
    check_contract(admin, "public.customers", role=app.logins.app).require()


@pytest.mark.parametrize(
    ("table", "role", "words"),
    [
        ("public.missing", "tenancy_app", "table public.missing does not exist"),
        ("public.bare", "tenancy_app", "public.bare is not protected"),
        ("public.customers", "nobody_at_all", "role nobody_at_all does not exist"),
    ],
)
def test_what_cannot_be_compared_fails(admin: Connection, table: str, role: str, words: str) -> None:
    admin.execute("CREATE TABLE public.bare (id int)")
    with pytest.raises(AssertionError, match="NOT TESTED") as raised:
        check_contract(admin, table, role=role).require()
    assert words in str(raised.value)
