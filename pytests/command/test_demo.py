"""The demonstration: it succeeds, notices faults, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from copy import copy as shallow_copy
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pg_tenancy.tools._terminal import Terminal
from pg_tenancy.tools.cli import main
from pg_tenancy.tools.demo import demonstrate
from pg_tenancy.tools.demo.check import Checked, check
from pg_tenancy.tools.demo.console import console_of
from pg_tenancy.tools.demo.data import COLUMNS, ROLES, generate
from pg_tenancy.tools.demo.migration import compare
from pg_tenancy.tools.demo.place import Place, uri
from pg_tenancy.tools.demo.platform import OldApplication
from pg_tenancy.tools.demo.run import Demonstration
from pg_tenancy.tools.demo.truth import Cast, Truth
from pg_tenancy.tools.demo.work import do_some_work
from pg_tenancy.tools.phases import Progress, read_phases
from support.command import command, environment, processes, run, started, without_signals
from support.console import Visitor, served
from support.database import Database
from support.probes.base import SEALED
from support.replayed_demo import in_one_go, replay_in_one_go
from support.server import Server

SMALL = 0.05
# With everybody who is shown, but smaller than the command line allows.
SMALLEST = 0.02


@dataclass(frozen=True)
class Deployed:
    """A place after a successful demonstration."""

    place: Place
    result: Demonstration
    truth: Truth
    cast: Cast


@pytest.fixture(scope="module")
def deployed(server: Server, template: str) -> Iterator[Deployed]:
    # The template has created the groups before, so that nobody drops them while
    # another test uses them.
    with Place(server.dsn) as place:
        with pytest.MonkeyPatch.context() as patch:
            replay_in_one_go(patch, server)
            result = demonstrate(place, Terminal(None), scale=SMALLEST)
        assert result.failures == []
        assert result.truth is not None
        assert result.cast is not None
        yield Deployed(place, result, result.truth, result.cast)


@pytest.fixture
def copy(server: Server, deployed: Deployed) -> Iterator[Database]:
    copy = server.create(deployed.place.database)
    yield copy
    server.drop(copy.name)


def test_the_console_shows_the_data_to_people_of_each_role(deployed: Deployed, copy: Database) -> None:
    place = shallow_copy(deployed.place)
    place.database = copy.name
    for name in ("deployer", "app"):
        login = getattr(place, name)
        setattr(place, name, replace(login, dsn=make_conninfo(login.dsn, dbname=copy.name)))
    with console_of(place, deployed.cast) as shown, served(shown.app) as address:
        for what, email, where in shown.people:
            visitor = Visitor(address)
            answer = visitor.post("/login", "/login", email=email, password=shown.password)
            assert answer.headers["location"] == "/me/dashboard"
            page = visitor.get("/me/dashboard").text
            assert where == "-" or where in page, what
            if what == "owner":
                first = f"/o/{deployed.cast.first.id}"
                assert "#0f766e" in visitor.get(f"{first}/dashboard").text
                assert "access_key" in visitor.get(f"{first}/settings").text
                assert "ada@example.org" in visitor.get(f"{first}/invitations").text
                assert "Assistant" in visitor.get(f"{first}/catalog").text
            visitor.http.close()
        assert len(shown.people) == 7
    with copy.connect() as connection:
        names = [f"console_{copy.name}", f"authenticator_{copy.name}"]
        assert connection.execute("SELECT FROM pg_roles WHERE rolname = ANY(%s)", [names]).fetchall() == []


# -- from its beginning to its end ------------------------------------------------


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    replay_in_one_go(monkeypatch, server)


@pytest.mark.slow
def test_on_a_given_server_it_prints_one_document_and_removes_everything(server: Server, template: str) -> None:
    # A server without passwords accepts one too.
    password = str(conninfo_to_dict(server.dsn).get("password") or token_urlsafe())
    dsn = make_conninfo(server.dsn, password=password)
    with processes() as seen:
        ended = run(command("demo", "--json", "--scale", str(SMALL)), env=environment(PG_TENANCY_DSN=dsn))
    assert (ended.returncode, ended.stderr) == (0, "")
    document = json.loads(ended.stdout)
    assert document["ok"] is True
    assert document["failures"] == []
    assert [phase["tag"] for phase in document["phases"]] == [phase.tag for phase in read_phases()]
    assert document["verified_changes"] == sum(len(phase["changes"]) for phase in document["phases"])
    rows = sum(document["tables"].values())
    assert rows == sum(map(len, generate(SMALL).rows.values()))
    assert {phase["old_application_rows"] for phase in document["phases"]} == {rows}
    assert all(view["ok"] for view in document["views"])
    assert all(attempt["ok"] for attempt in document["refusals"])
    assert {
        "not_a_member",
        "no_context",
        "invalid_context",
        "organization_keeps_an_owner",
        "invalid_invitation",
        "invalid_api_key",
        "person_required",
        "instance_state",
        "instances_model_id_fkey",
        "credentials_denied",
    } <= {attempt["name"] for attempt in document["refusals"]}
    # Each view is of one workspace.
    for view in document["views"]:
        in_organization = view["workspace"] not in ("personal", "platform")
        assert view["seen"]["organizations"] == in_organization
        assert view["seen"]["workspaces"] == 1
        if in_organization:
            assert view["seen"]["users"] == view["seen"]["members()"]
    (staff,) = (view for view in document["views"] if view["workspace"] == "platform")
    assert (staff["role"], staff["seen"]["members()"], staff["seen"]["legacy_instances()"]) == ("staff", None, None)
    # Two of the accounts that it creates stay.
    assert staff["seen"]["users"] == len(generate(SMALL).people) + 2
    # Every phase with something to do was used.
    assert {line.split()[0] for line in document["work"]} == {
        f"@{phase.tag}" for phase in read_phases() if phase.tag not in ("phase-0", "")
    }
    # Secrets that are shown once are not shown here.
    assert not re.search(r"(inv|pgt_[0-9a-f]{8})_[0-9a-f]{8}", ended.stdout)
    assert any("sqitch\0deploy" in arguments for arguments in seen)
    assert not [arguments for arguments in seen if password in arguments]
    assert password not in ended.stdout
    # The database no longer exists.
    assert (document["connections"], document["statements"]) == ({}, [])
    made = document["database"]
    suffix = made.removeprefix("pg_tenancy_demo_")
    with psycopg.connect(server.dsn) as connection:
        left = connection.execute(
            "SELECT datname FROM pg_database WHERE datname = %s"
            " UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(reverse(rolname), reverse(%s))",
            [made, suffix],
        )
        assert (len(suffix), left.fetchall()) == (6, [])


@pytest.mark.slow
@pytest.mark.parametrize("shape", [[], ["--platform"]], ids=["grown", "rental platform"])
def test_without_keep_no_command_is_printed_for_a_server_that_is_gone(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shape: list[str]
) -> None:
    if shape:
        replay_in_one_go(monkeypatch, server)
    else:
        monkeypatch.setattr("pg_tenancy.tools.demo.run.read_phases", in_one_go)
    monkeypatch.delenv("PG_TENANCY_DSN", raising=False)
    assert main(["demo", "--scale", str(SMALL), *shape]) == 0
    said, complaints = capsys.readouterr()
    assert complaints == ""
    assert "all checks passed" in said
    assert "Everything was removed" in said
    # No colors without a terminal.
    assert "\033" not in said
    assert "psql" not in said
    assert "postgresql://" not in said


@pytest.mark.slow
def test_a_kept_server_answers_what_was_printed_and_ends_with_ctrl_c(server: Server, template: str) -> None:
    demo = [sys.executable, "-m", "support.replayed_demo", "--keep", "--scale", str(SMALL)]
    in_the_run = environment(**server.environment())
    with started(without_signals(demo), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=in_the_run) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.strip())
            if "Ctrl-C" in line:
                break
        statements = [line for line in lines if line.startswith("psql ")]
        ended = [run(shlex.split(line)) for line in statements]
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate()
    assert process.returncode == 0, complaints
    assert "Traceback" not in complaints
    in_workspace, forged, old = ended
    assert in_workspace.returncode == 0, in_workspace.stderr
    assert "owner" in in_workspace.stdout
    assert "was not set by tenancy.enter()" in forged.stderr
    assert int(old.stdout.split()[2]) > 3
    found = re.search(r"host=([^&']+)", statements[0])
    assert found is not None
    assert not Path(found[1].replace("%2F", "/")).exists()


@pytest.mark.slow
@pytest.mark.usefixtures("replayed")
def test_what_was_kept_on_a_given_server_goes_with_the_printed_commands(
    server: Server, template: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_TENANCY_DSN", server.dsn)
    status = main(["demo", "--keep", "--scale", str(SMALL)])
    said, complaints = capsys.readouterr()
    assert (status, complaints) == (0, "")
    lines = [line.strip() for line in said.splitlines()]
    assert "password=" not in said
    removal = lines[lines.index("To remove everything:") + 1 :]
    try:
        for line in [line for line in lines if line.startswith("psql ") and "enter(" in line]:
            tried = run(shlex.split(line))
            assert tried.returncode == 0, tried.stderr
    finally:
        # The given server's own password is not shown.
        password = str(conninfo_to_dict(server.dsn).get("password") or "")
        for line in removal:
            given = environment(**({"PGPASSWORD": password} if password else {}))
            run(shlex.split(line), env=given, check=True)
    name = re.search(r"DROP DATABASE (\w+)", said)
    assert name is not None
    with psycopg.connect(server.dsn) as connection:
        left = connection.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name[1]]).fetchall()
    assert left == [(0,)]


@pytest.mark.slow
@pytest.mark.usefixtures("replayed")
def test_it_ends_with_1_and_says_why_when_something_is_not_as_it_must_be(
    server: Server, template: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, words = HOLES["organizations are open"]

    def work_and_break(
        application: psycopg.Connection[tuple[Any, ...]],
        service: psycopg.Connection[tuple[Any, ...]],
        truth: Truth,
        cast: Cast,
    ) -> list[str]:
        done = do_some_work(application, service, truth, cast)
        with psycopg.connect(server.uri(application.info.dbname), autocommit=True) as admin:
            admin.execute(broken.encode())
        return done

    monkeypatch.setattr("pg_tenancy.tools.demo.run.do_some_work", work_and_break)
    monkeypatch.setenv("PG_TENANCY_DSN", server.dsn)
    assert main(["demo", "--json", "--scale", str(SMALL)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert any(words in failure for failure in document["failures"])
    assert any(not view["ok"] for view in document["views"])


def test_where_it_cannot_begin_the_document_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PG_TENANCY_DSN", f"host={tmp_path} user=ann password=hunter2")
    assert main(["demo", "--json"]) == 1
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["ok"] is False
    assert "No such file or directory" in document["failures"][0]
    assert "hunter2" not in said.out + said.err


def test_the_rows_are_the_same_in_every_run() -> None:
    assert generate(SMALL).rows == generate(SMALL).rows
    assert generate(SMALL).rows != generate(SMALL * 2).rows


@pytest.mark.parametrize("scale", [SMALL, 0.3, 1.0])
def test_the_rows_have_everybody_that_is_shown(scale: float) -> None:
    platform = generate(scale)
    cast = Cast.of(platform)
    roles = platform.memberships
    assert roles[cast.first.id, cast.owner.id] == "owner"
    assert len(platform.members(cast.first, "owner")) == 1
    assert roles[cast.second.id, cast.owner.id] == "manager"
    assert roles[cast.third.id, cast.owner.id] == "user"
    assert roles[cast.second.id, cast.other_owner.id] == "owner"
    assert (cast.first.id, cast.other_owner.id) not in roles
    assert roles[cast.second.id, cast.staff.id] == "user"
    assert {roles[cast.first.id, person.id] for person in platform.members(cast.first)} == set(ROLES)
    assert all(platform.members(organization, "owner") for organization in platform.organizations)
    strangers = {cast.nobody.id, cast.founder.id, cast.guest.id}
    assert len(strangers) == 3
    assert not strangers & {person for _, person in roles}
    # All columns.
    for table, columns in COLUMNS.items():
        assert {len(row) for row in platform.rows[table]} == {len(columns.split())}


# -- it notices ---------------------------------------------------------------------

# Only the floor for reading selects rows, except in the list of people.
_OPEN = "DROP POLICY {0}_tenant ON {1}; ALTER POLICY {0}_select ON {1} USING (true)"
# The workspace's own rows and the platform's.
_WITH_PLATFORM = (
    "workspace_id = ANY(ARRAY[tenancy.current_workspace_id(), '00000000-0000-0000-0000-000000000000'::uuid])"
)


def _body(function: str, old: str, new: str = "") -> str:
    """Return a statement that replaces text in a function's body."""
    return f"""
        DO $hole$
        DECLARE
            body CONSTANT text := pg_get_functiondef('{function}'::regproc);
        BEGIN
            IF position($old${old}$old$ IN body) = 0 THEN
                RAISE EXCEPTION 'the words are not in {function}';
            END IF;
            EXECUTE replace(body, $old${old}$old$, $new${new}$new$);
        END $hole$
    """


# The fault, and words that one of the failures must contain.
HOLES: dict[str, tuple[str, str]] = {
    "organizations are open": (_OPEN.format("organizations", "public.organizations"), "rows of organizations"),
    "memberships are open": (
        _OPEN.format("organization_memberships", "public.organization_memberships"),
        "rows of memberships",
    ),
    "users are open": (_OPEN.format("users", "public.users"), "rows of users"),
    "workspaces are open": (_OPEN.format("workspaces", "tenancy.workspaces"), "rows of workspaces"),
    "the audit log is open": (_OPEN.format("audit_log", "tenancy.audit_log"), "rows of audit_log"),
    "the audit log is open to users of the organization": (
        "ALTER POLICY audit_log_tenant ON tenancy.audit_log"
        " USING (workspace_id = (SELECT tenancy.current_workspace_id()))",
        "rows of audit_log",
    ),
    "row-level security is off": (
        "ALTER TABLE public.organizations DISABLE ROW LEVEL SECURITY",
        "rows of organizations",
    ),
    "a policy is missing": ("DROP POLICY organizations_select ON public.organizations", "are missing"),
    "a column is readable": ("GRANT SELECT ON public.users TO tenancy_credentialed", "password_hash"),
    "a table is writable": (
        "GRANT UPDATE ON public.organization_memberships TO tenancy_credentialed",
        "without the functions",
    ),
    "everybody may do everything": (
        "INSERT INTO tenancy.role_permissions SELECT DISTINCT permission, 'user' FROM tenancy.role_permissions"
        " ON CONFLICT DO NOTHING; INSERT INTO tenancy.role_delegations VALUES ('user', 'owner'), ('user', 'user')"
        " ON CONFLICT DO NOTHING",
        "permissions instead of",
    ),
    "an admin may make owners": (
        "INSERT INTO tenancy.role_delegations VALUES ('admin', 'owner')",
        "becomes an owner",
    ),
    "the last owner may go": (
        "CREATE OR REPLACE FUNCTION tenancy_private.check_other_owner(organization_id uuid, user_id uuid) RETURNS void"
        " LANGUAGE sql AS ''; ALTER TABLE public.organization_memberships"
        " DISABLE TRIGGER organization_memberships_tenancy_owner",
        "the last owner",
    ),
    "the seal is not checked": (
        "CREATE OR REPLACE FUNCTION tenancy.current_workspace_id() RETURNS uuid LANGUAGE sql STABLE AS"
        " $$SELECT coalesce(nullif(current_setting('tenancy.current_organization_id', true), ''),"
        " current_setting('tenancy.current_user_id', true))::uuid$$",
        "SET by hand",
    ),
    "a table has no floor": ("DROP POLICY organizations_tenant ON public.organizations", "SET by hand"),
    "a floor believes the variables": (
        "ALTER POLICY organizations_tenant ON public.organizations"
        " USING (id::text = (SELECT current_setting('tenancy.current_organization_id', true)))",
        "SET by hand",
    ),
    "permissions are not sealed": (
        f"{SEALED};"
        "CREATE OR REPLACE FUNCTION tenancy_private.seal(inner_block bytea, outer_block bytea,"
        " user_id text, organization_id text, facts text) RETURNS text LANGUAGE sql STABLE AS"
        " $$SELECT encode(sha256(outer_block || sha256(inner_block || timestamptz_send(now())"
        " || convert_to(user_id || '/' || organization_id, 'UTF8'))), 'hex')$$",
        "an owner's permissions by SET",
    ),
    "the seal is good for other transactions": (
        f"{SEALED};"
        "CREATE OR REPLACE FUNCTION tenancy_private.seal(inner_block bytea, outer_block bytea,"
        " user_id text, organization_id text, facts text) RETURNS text LANGUAGE sql STABLE AS"
        " $$SELECT encode(sha256(outer_block || sha256(inner_block"
        " || convert_to(user_id || '/' || organization_id || '/' || facts, 'UTF8'))), 'hex')$$",
        "copied into the next transaction",
    ),
    "anybody may enter": (
        _body("tenancy_private.enter_as", "coalesce(held_role, m.role::text)", "'owner'"),
        "not a member, enters",
    ),
    "anybody may enter the platform's workspace": (
        _body("tenancy.enter_platform", "AND u.role::text = 'admin'"),
        "enters the platform's workspace: it worked",
    ),
    "writes are not asked about": (
        "ALTER TABLE public.instances DISABLE TRIGGER instances_tenancy_permission",
        "starts an instance",
    ),
    "members() lists everybody": (
        "CREATE OR REPLACE FUNCTION tenancy.members() RETURNS TABLE (user_id uuid, email text, username text,"
        " first_name text, last_name text, role text, member_since timestamptz) LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT user_id, NULL, NULL, NULL, NULL, role, NULL::timestamptz FROM public.organization_memberships'",
        "rows of members()",
    ),
    "invitations are open": (_OPEN.format("invitations", "tenancy.invitations"), "rows of invitations"),
    "invitations are shown to users of the organization": (
        "ALTER POLICY invitations_tenant ON tenancy.invitations"
        " USING (organization_id = (SELECT tenancy.current_workspace_id()))",
        "rows of invitations",
    ),
    "an invitation can be used again": (
        _body("tenancy.accept_invitation", "i.accepted_at IS NULL AND"),
        "is used a second time",
    ),
    "a revoked invitation can be used": (
        _body("tenancy.accept_invitation", "AND i.revoked_at IS NULL"),
        "a revoked invitation is used",
    ),
    "a used invitation is told apart from one that is unknown": (
        _body(
            "tenancy.accept_invitation",
            "PERFORM tenancy_private.refuse_invitation();",
            "PERFORM FROM tenancy.invitations AS i"
            " WHERE i.token_hash = tenancy_private.token_hash(accept_invitation.token);"
            " IF FOUND THEN RAISE EXCEPTION 'too late' USING ERRCODE = '28000', CONSTRAINT = 'invalid_invitation';"
            " END IF; PERFORM tenancy_private.refuse_invitation();",
        ),
        "the error differs from that of",
    ),
    "the hashes of tokens can be read": (
        "GRANT SELECT ON tenancy.invitations TO tenancy_credentialed",
        "hashes of the tokens",
    ),
    "API keys are open": (_OPEN.format("api_keys", "public.api_keys"), "rows of api_keys"),
    "a policy of API keys is missing": ("DROP POLICY api_keys_select ON public.api_keys", "are missing"),
    "the hashes of keys can be read": ("GRANT SELECT ON public.api_keys TO tenancy_credentialed", "hashes of the keys"),
    "a revoked key opens": (
        _body("tenancy_private.find_api_key", "AND k.revoked_at IS NULL"),
        "a revoked key",
    ),
    "an organization's key is an owner": (
        _body("tenancy.enter_with_api_key", "ELSE 'user' END", "ELSE 'owner' END"),
        "has role owner instead of user",
    ),
    "a key of the staff is staff": (
        _body("tenancy.enter_with_api_key", "IS NULL THEN '' ELSE", "IS NULL THEN 'staff' ELSE"),
        "all_users() must be an error",
    ),
    "a key ends with the membership of its maker": (
        _body(
            "tenancy_private.find_api_key",
            "AND w.deleted_at IS NULL",
            "AND (k.organization_id IS NULL OR EXISTS (SELECT FROM public.organization_memberships AS m"
            " WHERE m.organization_id = k.organization_id AND m.user_id = k.user_id))",
        ),
        "the API key is not valid",
    ),
    "a key acts as its maker": (
        _body("tenancy_private.require_person", "tenancy.current_credential_id() IS NOT NULL", "false"),
        "creates an organization",
    ),
    "instances are open": (_OPEN.format("instances", "public.instances"), "rows of instances"),
    "legacy instances are in every workspace": (
        f"ALTER POLICY instances_tenant ON public.instances USING ({_WITH_PLATFORM})",
        "legacy instances",
    ),
    "legacy instances are nobody's": (
        "ALTER POLICY instances_tenant ON public.instances"
        " USING (workspace_id = (SELECT tenancy.current_workspace_id()) AND user_id IS NOT NULL)",
        "in platform: sees 0 rows of instances",
    ),
    "legacy instances are listed everywhere": (
        _body(
            "tenancy.legacy_instances",
            "tenancy.current_workspace_id() IS DISTINCT FROM tenancy.current_user_id()",
            "false",
        ),
        "legacy_instances() must be an error",
    ),
    "legacy instances can be changed": (
        f"ALTER POLICY instances_tenant ON public.instances USING ({_WITH_PLATFORM});"
        f" ALTER POLICY instances_tenant_update ON public.instances USING ({_WITH_PLATFORM}) WITH CHECK (true)",
        "changes a legacy instance: it found 1 rows",
    ),
    "instances can be moved": (
        "GRANT UPDATE ON public.instances TO tenancy_credentialed; ALTER TABLE public.instances DISABLE TRIGGER USER;"
        " ALTER POLICY instances_tenant_update ON public.instances WITH CHECK (true);"
        " DROP POLICY instances_tenant ON public.instances",
        "moves an instance",
    ),
    "an instance of a person has become the platform's": (
        # In one statement, because a row without an owner would stay where it was.
        "ALTER TABLE public.instances DISABLE TRIGGER USER;"
        " UPDATE public.instances SET user_id = NULL, workspace_id = '00000000-0000-0000-0000-000000000000'"
        " WHERE user_id IS NOT NULL",
        "rows of legacy_instances()",
    ),
    "an instance's state is not checked": (
        "INSERT INTO tenancy.instance_transitions VALUES ('terminate', 'terminating', 'terminating')",
        "terminates an instance that is terminating",
    ),
    "instances of others are found by their ids": (
        _body("tenancy_private.transform_instance", "AND i.workspace_id = tenancy.current_workspace_id()"),
        "by its id",
    ),
    "models are open": (
        _OPEN.format("models", "public.models"),
        "rows of models",
    ),
    "public models are hidden": (
        "ALTER POLICY models_tenant ON public.models USING (workspace_id = (SELECT tenancy.current_workspace_id()))",
        "are missing",
    ),
    "models of others can be used": (
        _body(
            "tenancy_private.set_model_workspace",
            "AND m.workspace_id = ANY(ARRAY[new.workspace_id, '00000000-0000-0000-0000-000000000000'::uuid])",
        )
        + "; ALTER TABLE public.instances DROP CONSTRAINT instances_tenancy_model_workspace_id_check",
        "with the model of",
    ),
    "models of others are found by their ids": (
        _body("tenancy.delete_model", "AND m.workspace_id = tenancy.current_workspace_id()"),
        "deletes a public model",
    ),
    "a model in use can be deleted": (
        _body(
            "tenancy.delete_model",
            "PERFORM tenancy_private.require_unused_model(delete_model.id, model_name, true, true);",
        )
        + "; ALTER TABLE public.models DISABLE TRIGGER USER",
        "that an instance uses",
    ),
    "public models are made by everybody": (
        "ALTER TABLE public.models DISABLE TRIGGER models_tenancy_permission;"
        " DROP POLICY models_tenant_insert ON public.models",
        "creates a public model",
    ),
    "users of all organizations are seen": (
        "CREATE OR REPLACE FUNCTION tenancy.visible_user_ids() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER"
        " AS 'SELECT array_agg(id ORDER BY id) FROM public.users'",
        "rows of users",
    ),
    "everybody is staff": (
        _body("tenancy.all_users", "NOT tenancy_private.is_staff()", "tenancy.current_organization_id() IS NOT NULL"),
        "all_users() must be an error",
    ),
    "an owner changes passwords": (
        _body(
            "tenancy.update_user",
            "IF update_user.email IS NOT NULL OR update_user.password_hash IS NOT NULL THEN",
            "IF false THEN",
        ),
        "changes the e-mail address",
    ),
    "an admin changes owners": (
        _body("tenancy.update_user", "AND NOT EXISTS (", "AND false AND NOT EXISTS ("),
        "changes the name",
    ),
    "accounts of others can be deleted": (
        _body("tenancy_private.refuse_other_account", "RAISE EXCEPTION", "RAISE WARNING"),
        "deletes the account",
    ),
    "something was given to another organization": (
        "UPDATE public.instances SET organization_id = (SELECT max(id::text)::uuid FROM public.organizations)"
        " WHERE workspace_id = '00000000-0000-0000-0000-000000000000'",
        "of the instances were changed",
    ),
}


class _Kept(psycopg.Connection[tuple[Any, ...]]):
    """A connection that is reset when it is returned, as by a careful pool."""

    def __exit__(self, *_: object) -> None:
        self.rollback()
        self.execute("DISCARD ALL")


def _check(deployed: Deployed, database: str) -> Checked:
    place = deployed.place
    with (
        closing(_Kept.connect(make_conninfo(place.app.dsn, dbname=database), autocommit=True)) as application,
        closing(psycopg.connect(make_conninfo(place.deployer.dsn, dbname=database), autocommit=True)) as deployer,
    ):
        return check(lambda: application, lambda: deployer, deployed.truth, deployed.cast)


def test_a_sound_database_has_no_failures(deployed: Deployed, copy: Database) -> None:
    checked = _check(deployed, copy.name)
    assert checked.failures == []
    assert checked.memberships == len(deployed.truth.memberships)


@pytest.mark.parametrize("hole", HOLES)
def test_a_planted_hole_is_noticed(deployed: Deployed, copy: Database, hole: str) -> None:
    broken, words = HOLES[hole]
    with copy.connect(autocommit=True) as connection:
        connection.execute(broken.encode())
    failures = _check(deployed, copy.name).failures
    assert any(words in failure for failure in failures), failures


@pytest.mark.parametrize(
    ("broken", "failure"),
    [
        (
            "CREATE POLICY closed ON public.instances AS RESTRICTIVE FOR UPDATE TO tenancy_service USING (false)",
            "changed 0 rows instead of one: UPDATE public.instances",
        ),
        ("ALTER TABLE public.models ALTER COLUMN workspace_id DROP DEFAULT", '"workspace_id" of relation "models"'),
        (
            "ALTER TABLE public.api_keys ADD CONSTRAINT closed CHECK (expires_at IS NOT NULL) NOT VALID",
            'violates check constraint "closed"',
        ),
    ],
)
def test_it_is_noticed_when_the_old_application_can_write_no_more(
    deployed: Deployed, copy: Database, broken: str, failure: str
) -> None:
    with copy.connect(autocommit=True) as connection:
        connection.execute(broken.encode())
    with OldApplication(make_conninfo(deployed.place.old.dsn, dbname=copy.name)) as application:
        failures = application.look().failures
    assert any(failure in found for found in failures), failures


def test_it_is_noticed_when_the_old_application_sees_less(deployed: Deployed, server: Server) -> None:
    old = deployed.place.old
    with OldApplication(old.dsn) as application:
        before = application.look()
        assert before.failures == []
        statement = "{} tenancy_service {} {}"
        server.execute(sql.SQL(statement.format("REVOKE", "FROM", old.name)))
        try:
            after = application.look()
        finally:
            server.execute(sql.SQL(statement.format("GRANT", "TO", old.name)))
        assert compare(before, after)
        assert compare(before, application.look()) == []


def test_it_is_noticed_when_a_value_or_a_row_changes(deployed: Deployed) -> None:
    with OldApplication(deployed.place.old.dsn) as application, deployed.place.connect() as admin:
        before = application.look()
        admin.execute(
            "UPDATE public.models SET name = name || '!' WHERE id = (SELECT min(id::text)::uuid FROM public.models)"
        )
        assert compare(before, application.look()) == [
            "the old application sees other values in public.models than before"
        ]
        before = application.look()
        admin.execute("INSERT INTO public.providers (id, name) VALUES (gen_random_uuid(), 'one more')")
        (difference,) = compare(before, application.look())
        assert difference == "the old application sees 7 rows of public.providers; before, it saw 6"


# -- its parts ------------------------------------------------------------------------


def test_the_output_of_sqitch_is_understood() -> None:
    done: list[str] = []
    warnings: list[str] = []
    progress = Progress(done.append, warnings.append)
    for line in (
        "Deploying changes through foreign_keys @phase-0 to db:pg:postgres",
        "  + existing_tables ........ psql:sql/deploy/existing_tables.sql:50: WARNING:  an old server",
        "DETAIL:  ALTER SERVER one;",
        "ALTER SERVER other;",
        "HINT:  Update it.",
        "psql:sql/deploy/existing_tables.sql:60: NOTICE:  tables are there",
        "HINT:  They stay.",
        "ok",
        "  + roles .................. ok",
        "  * foreign_keys @phase-0 .. ok",
        "  - base_tables @a @b ...... ok",
        "  + primary_keys ........... psql:sql/deploy/primary_keys.sql:5: ERROR:  it does not work",
        "not ok",
        "Verify successful",
    ):
        progress(line)
    assert done == ["existing_tables", "roles", "foreign_keys", "base_tables"]
    assert warnings == ["an old server\n    ALTER SERVER one;\n    ALTER SERVER other;\n    Update it."]


def test_what_a_stream_cannot_show_is_written_in_ascii() -> None:
    written = io.BytesIO()
    with io.TextIOWrapper(written, encoding="ascii") as stream:
        terminal = Terminal(stream)
        terminal.check(True, "Amélie")
        terminal.check(False, "Zoë")
        terminal.table(["who", "rows"], [["Chloé", "12"], ["Al", "3"]], right=[1])
        stream.flush()
        assert written.getvalue().decode().splitlines() == [
            "  ok Amelie",
            "  FAILED Zoe",
            "  who    rows",
            "  Chloe    12",
            "  Al        3",
        ]


@pytest.mark.parametrize(
    ("dsn", "written"),
    [
        ("host=/tmp/s port=5433 user=ann dbname=d", "postgresql://ann@/d?host=%2Ftmp%2Fs&port=5433"),
        ("postgresql://ann:secret@db.example:5433/d", "postgresql://ann@db.example:5433/d"),
        ("host=a,b user=ann dbname='my db' sslmode=require", "postgresql://ann@/my%20db?host=a%2Cb&sslmode=require"),
        ("host=::1 dbname=d", "postgresql:///d?host=%3A%3A1"),
        ("user='an n@x' password=secret dbname=d host=h", "postgresql://an%20n%40x@h/d"),
    ],
)
def test_a_connection_is_shown_as_a_uri_without_its_password(
    monkeypatch: pytest.MonkeyPatch, dsn: str, written: str
) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    assert uri(dsn) == written
