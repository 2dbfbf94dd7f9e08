"""An engine's transactions enter the workspace of a context variable, and never another one."""

# ruff: noqa: PT012  (a block that raises is left by what it raised)

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.pool import QueuePool

from orms.conftest import Ids
from orms.sqlalchemy.models import Project, Task
from pg_tenancy import TenancyError
from pg_tenancy.errors import (
    ApiKeyError,
    ContextAlreadySetError,
    LoginMayNotEnterError,
    LoginSeesEverythingError,
    NoContextError,
    NotAMemberError,
    NotGrantedError,
    PermissionDeniedError,
    TicketError,
    TransactionRequiredError,
    UserRequiredError,
)
from pg_tenancy.sqlalchemy import enter_workspaces, not_granted, outside_workspaces, workspace_context
from support.two_tenants import TwoTenants

DRIVERS = ("psycopg", "asyncpg")
WHERE = select(func.tenancy.current_workspace_id())


def _url(tenants: TwoTenants, login: str | None, driver: str = "psycopg") -> str:
    return tenants.database.dsn(login).replace("postgresql://", f"postgresql+{driver}://")


@pytest.fixture(scope="module")
def engine(tenants: TwoTenants, ids: Ids) -> Iterator[Engine]:
    """Return an engine with one connection, so that each test gets the previous one's leftovers."""
    engine = enter_workspaces(create_engine(_url(tenants, tenants.logins.app), pool_size=1, max_overflow=0))
    yield engine
    engine.dispose()


@pytest.fixture(params=DRIVERS)
async def async_engine(request: pytest.FixtureRequest, tenants: TwoTenants, ids: Ids) -> AsyncIterator[AsyncEngine]:
    url = _url(tenants, tenants.logins.app, request.param)
    engine = enter_workspaces(create_async_engine(url, pool_size=1, max_overflow=0))
    yield engine
    await engine.dispose()


@pytest.fixture
def acme(tenants: TwoTenants) -> dict[str, Any]:
    """Return the keywords of Acme's workspace, for its owner."""
    return {"user_id": tenants.members["owner"].id, "organization_id": tenants.acme.id}


@pytest.fixture
def globex(tenants: TwoTenants) -> dict[str, Any]:
    return {"user_id": tenants.outsider.id, "organization_id": tenants.globex.id}


def test_a_session_works_in_the_workspace_and_enters_it_again_after_a_commit(
    engine: Engine, acme: dict[str, Any], tenants: TwoTenants, ids: Ids
) -> None:
    with workspace_context(**acme), Session(engine) as session:
        session.add(project := Project(name="Website", tasks=[Task(title="one")]))
        session.commit()
        # Every attribute is expired now: this reads in a second transaction, and lazily in a third.
        assert (project.name, project.workspace_id) == ("Website", tenants.acme.id)
        session.commit()
        assert [task.title for task in project.tasks] == ["one"]
        session.rollback()
        session.refresh(project)
        assert session.get(Project, ids["other"]["project"]) is None
        assert set(session.scalars(select(Project.workspace_id))) == {tenants.acme.id}
        session.delete(project)
        session.commit()


def test_savepoints_and_many_rows_stay_in_the_workspace(
    engine: Engine, acme: dict[str, Any], tenants: TwoTenants
) -> None:
    with workspace_context(**acme), Session(engine) as session:
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            session.add(Project(name="undone"))
            session.flush()
            raise ZeroDivisionError
        with session.begin_nested():
            session.add_all([Project(name=f"many {number}") for number in range(3)])
        # insertmanyvalues: one statement for each batch.
        rows = [{"name": f"many {number}"} for number in range(3, 10)]
        statement = insert(Project).returning(Project.workspace_id)
        made = session.execute(statement, rows, execution_options={"insertmanyvalues_page_size": 2})
        assert set(made.scalars()) == {tenants.acme.id}
        session.commit()
        names = session.scalars(select(Project.name).where(Project.name.in_(["undone", "many 9"]))).all()
        assert names == ["many 9"]


def test_no_transaction_starts_without_a_workspace(engine: Engine, acme: dict[str, Any]) -> None:
    with Session(engine) as session:
        for _ in range(2):
            with pytest.raises(NoContextError, match="starts outside of workspace_context"):
                session.execute(select(Project.id))
        with workspace_context(**acme):
            assert session.scalars(select(Project.id)).all()
    with engine.connect() as connection:
        # The same connection, after a failed begin.
        for _ in range(2):
            with pytest.raises(NoContextError, match="starts outside of workspace_context"):
                connection.execute(text("SELECT 1"))
        with workspace_context(**acme):
            assert connection.execute(WHERE).scalar_one() == acme["organization_id"]


def test_nothing_is_left_on_the_connection(engine: Engine, acme: dict[str, Any], globex: dict[str, Any]) -> None:
    for entry in (acme, globex, acme):
        with workspace_context(**entry), engine.connect() as connection:
            assert connection.execute(WHERE).scalar_one() == entry["organization_id"]
        assert isinstance(engine.pool, QueuePool)
        assert engine.pool.checkedin() == 1
        with outside_workspaces(), engine.connect() as connection:
            seen = connection.execute(text("SELECT current_setting('tenancy.current_organization_id', true)"))
            assert not seen.scalar_one()
            assert "pg_tenancy.entered" in connection.info
            with pytest.raises(NoContextError):
                connection.execute(select(Project.id))
        raw = engine.raw_connection()
        assert raw.info == {}
        raw.close()


def test_a_transaction_is_not_taken_along_into_another_workspace(
    engine: Engine, acme: dict[str, Any], globex: dict[str, Any]
) -> None:
    with Session(engine) as session:
        with workspace_context(**acme):
            session.add(Project(name="of Acme"))
            session.flush()
            with workspace_context(**globex), pytest.raises(ContextAlreadySetError, match="in another workspace"):
                session.scalars(select(Project.id)).all()
            with outside_workspaces(), pytest.raises(ContextAlreadySetError):
                session.scalars(select(Project.id)).all()
            # Equal values are the same workspace, and the refusals have rolled back nothing.
            with workspace_context(user_id=str(acme["user_id"]), organization_id=acme["organization_id"]):
                assert session.scalars(select(Project.name).where(Project.name == "of Acme")).all() == ["of Acme"]
        with pytest.raises(NoContextError):
            session.scalars(select(Project.id)).all()
        session.rollback()
        with workspace_context(**globex):
            assert session.execute(WHERE).scalar_one() == globex["organization_id"]


def test_a_session_takes_no_objects_into_another_workspace(
    engine: Engine, acme: dict[str, Any], globex: dict[str, Any], tenants: TwoTenants
) -> None:
    holds = pytest.raises(ContextAlreadySetError, match="holds objects of another workspace")
    with Session(engine, expire_on_commit=False) as session:
        with workspace_context(**acme):
            session.add(project := Project(name="of Acme"))
            session.commit()
        project.name = "changed in Globex"
        with workspace_context(**globex):
            with holds:
                session.commit()
            session.rollback()
            with holds:
                session.execute(WHERE)
            # It stays refused in both workspaces until the transaction is rolled back.
            for entry in (globex, acme):
                with workspace_context(**entry), pytest.raises(ContextAlreadySetError, match="in another workspace"):
                    session.execute(WHERE)
            session.rollback()
            session.expunge_all()
            assert session.execute(WHERE).scalar_one() == tenants.globex.id
    with Session(engine) as session:
        # Added in one workspace, and not flushed there.
        with workspace_context(**acme):
            session.add(Project(name="taken along"))
        with workspace_context(**globex):
            with holds:
                session.commit()
            session.rollback()
            session.expunge_all()
            session.add(project := Project(name="of Globex"))
            session.flush()
            assert project.workspace_id == tenants.globex.id
            session.rollback()
        # Nor is an object added in another workspace while a transaction of the first is open.
        with workspace_context(**acme):
            session.expunge_all()
            session.add(Project(name="of Acme"))
            with workspace_context(**globex):
                session.add(Project(name="taken along"))
            with holds:
                session.commit()
            session.rollback()


def test_a_session_of_another_engine_is_left_alone(
    engine: Engine, acme: dict[str, Any], globex: dict[str, Any], tenants: TwoTenants
) -> None:
    plain = create_engine(_url(tenants, None))
    with Session(plain) as session:
        with workspace_context(**acme):
            session.add(Project(name="somewhere", workspace_id=tenants.acme.id))
        with workspace_context(**globex):
            session.flush()
            session.rollback()
    plain.dispose()


def test_a_personal_workspace_and_the_platforms(engine: Engine, tenants: TwoTenants) -> None:
    person = tenants.person.id
    for entry, workspace in (
        ({"user_id": person}, person),
        ({"user_id": tenants.staff.id, "platform": True}, UUID(int=0)),
    ):
        with workspace_context(**entry), engine.connect() as connection:
            assert connection.execute(WHERE).scalar_one() == workspace


@pytest.mark.parametrize("driver", DRIVERS)
async def test_tickets_keys_and_sessions_enter_with_a_login_that_names_no_users(
    driver: str, tenants: TwoTenants, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    login = tenants.logins.credentialed
    engine = enter_workspaces(create_async_engine(_url(tenants, login, driver), echo="debug"))
    key = tenants.api_keys["organization"]
    with tenants.session(tenants.logins.app, autocommit=True) as app:
        query = "SELECT token FROM tenancy.start_session(%s, %s)"
        (token,) = app.execute(query, [tenants.members["owner"].id, tenants.acme.id]).fetchone() or ("",)
    entries: list[dict[str, Any]] = [
        {"ticket": tenants.key.ticket(tenants.members["owner"], tenants.acme)},
        {"api_key": key},
        {"session": token},
        {"session": token, "organization_id": tenants.acme.id},
    ]
    for entry in entries:
        with workspace_context(**entry):
            async with AsyncSession(engine) as session:
                assert (await session.execute(WHERE)).scalar_one() == tenants.acme.id
                await session.commit()
                assert (await session.execute(WHERE)).scalar_one() == tenants.acme.id
    refusals: list[tuple[dict[str, Any], type[TenancyError]]] = [
        ({"user_id": tenants.members["owner"].id}, LoginMayNotEnterError),
        ({"ticket": "a.b.c"}, TicketError),
        ({"api_key": key + "x"}, ApiKeyError),
    ]
    for entry, refusal in refusals:
        with workspace_context(**entry):
            async with AsyncSession(engine) as session:
                with pytest.raises(refusal) as raised:
                    await session.execute(WHERE)
                assert key not in str(raised.value)
    await engine.dispose()
    assert "tenancy.current_workspace_id" in caplog.text
    assert key not in caplog.text
    assert token not in caplog.text


async def test_an_async_session_does_the_same(
    async_engine: AsyncEngine, acme: dict[str, Any], globex: dict[str, Any], tenants: TwoTenants, ids: Ids
) -> None:
    with workspace_context(**acme):
        async with AsyncSession(async_engine) as session:
            session.add(project := Project(id=(chosen := uuid4()), name="Async", tasks=[Task(title="one")]))
            await session.commit()
            await session.refresh(project)
            assert project.workspace_id == tenants.acme.id
            await session.commit()
            session.expunge_all()
            loaded = await session.get_one(Project, chosen, options=[selectinload(Project.tasks)])
            assert [task.title for task in loaded.tasks] == ["one"]
            with pytest.raises(ZeroDivisionError):
                async with session.begin_nested():
                    session.add(Project(name="undone"))
                    await session.flush()
                    raise ZeroDivisionError
            made = await session.scalars(
                insert(Project).returning(Project.workspace_id), [{"name": f"many {number}"} for number in range(5)]
            )
            assert set(made.all()) == {tenants.acme.id}
            assert await session.get(Project, ids["other"]["project"]) is None
            with workspace_context(**globex), pytest.raises(ContextAlreadySetError):
                await session.execute(select(Project.id))
            await session.rollback()
            session.add(Project(name="taken along"))
            with workspace_context(**globex):
                with pytest.raises(ContextAlreadySetError, match="holds objects of another workspace"):
                    await session.commit()
                await session.rollback()
                session.expunge_all()
                assert (await session.execute(WHERE)).scalar_one() == tenants.globex.id
    async with AsyncSession(async_engine) as session:
        with pytest.raises(NoContextError, match="starts outside of workspace_context"):
            await session.execute(select(Project.id))
    autocommit = async_engine.execution_options(isolation_level="AUTOCOMMIT")
    with workspace_context(**acme):
        async with autocommit.connect() as connection:
            with pytest.raises(TransactionRequiredError):
                await connection.execute(text("SELECT 1"))
    async with async_engine.connect() as connection:
        for _ in range(2):
            with pytest.raises(NoContextError, match="starts outside of workspace_context"):
                await connection.execute(text("SELECT 1"))
        with outside_workspaces(), pytest.raises(NoContextError):
            await connection.execute(select(Project.id))


async def test_tasks_at_once_are_each_in_their_own_workspace(
    async_engine: AsyncEngine, acme: dict[str, Any], globex: dict[str, Any]
) -> None:
    async def where(entry: dict[str, Any]) -> bool:
        with workspace_context(**entry):
            async with AsyncSession(async_engine) as session:
                found = set()
                for _ in range(3):
                    found.add((await session.execute(WHERE)).scalar_one())
                    await session.commit()
                    await asyncio.sleep(0)
                return found == {entry["organization_id"]}

    assert all(await asyncio.gather(*(where(entry) for entry in (acme, globex) * 10)))


def test_a_thread_starts_outside_of_every_workspace(engine: Engine, acme: dict[str, Any]) -> None:
    raised: list[BaseException] = []

    def work() -> None:
        try:
            with Session(engine) as session:
                session.execute(text("SELECT 1"))
        except TenancyError as error:
            raised.append(error)

    with workspace_context(**acme):
        (thread := threading.Thread(target=work)).start()
        thread.join()
    assert [type(error) for error in raised] == [NoContextError]


async def test_errors_are_those_of_the_client(
    async_engine: AsyncEngine, tenants: TwoTenants, ids: Ids, acme: dict[str, Any]
) -> None:
    async with AsyncSession(async_engine) as session:
        outsider: dict[str, Any] = {"user_id": tenants.outsider.id, "organization_id": tenants.acme.id}
        for entry in (outsider, {"user_id": uuid4()}):
            with workspace_context(**entry), pytest.raises(NotAMemberError) as refused:
                await session.execute(WHERE)
            assert (refused.value.sqlstate, refused.value.constraint) == ("28000", "not_a_member")
            assert refused.value.__cause__ is not refused.value
        # The session still works.
        with workspace_context(user_id=tenants.members["user"].id, organization_id=tenants.acme.id):
            session.add(Project(name="x"))
            with pytest.raises(PermissionDeniedError, match=r"projects\.create") as denied:
                await session.commit()
            assert isinstance(denied.value.__cause__, Exception)
            await session.rollback()
        with workspace_context(**acme), pytest.raises(DBAPIError):
            await session.execute(text("SELECT 1/0"))
        await session.rollback()
        with workspace_context(**acme), pytest.raises(ProgrammingError, match="permission denied for table projects"):
            await session.execute(text("UPDATE projects SET workspace_id = NULL"))


def test_what_postgresql_refuses_can_be_explained(engine: Engine, acme: dict[str, Any]) -> None:
    def change(statement: str) -> None:
        try:
            with workspace_context(**acme), Session(engine) as session:
                session.execute(text(statement))
                session.rollback()
        except DBAPIError as error:
            with outside_workspaces(), engine.connect() as connection:
                raise not_granted(connection, error) or error from error

    change("UPDATE projects SET name = 'Shop'")
    with pytest.raises(NotGrantedError, match="permission denied for table projects") as refused:
        change("UPDATE projects SET workspace_id = NULL")
    assert (refused.value.http_status, refused.value.table) == (500, "projects")
    assert "name" in refused.value.updatable
    assert "workspace_id" not in refused.value.updatable
    with pytest.raises(ProgrammingError, match="does not exist"):
        change("UPDATE projects SET no_such_column = 1")


async def test_what_postgresql_refuses_can_be_explained_by_asynchronous_drivers(
    async_engine: AsyncEngine, acme: dict[str, Any], tenants: TwoTenants
) -> None:
    async def explained(statement: str, **entry: Any) -> TenancyError | None:
        with pytest.raises((DBAPIError, TenancyError)) as raised, workspace_context(**entry):
            async with async_engine.connect() as connection:
                await connection.execute(text(statement))
        with outside_workspaces():
            async with async_engine.connect() as connection:
                return await connection.run_sync(not_granted, raised.value)

    refused = await explained("UPDATE projects SET workspace_id = NULL", **acme)
    assert isinstance(refused, NotGrantedError)
    assert "name" in refused.updatable
    # This is already pg-tenancy's own error, with the same SQLSTATE.
    uma: dict[str, Any] = {"user_id": tenants.members["user"].id, "organization_id": tenants.acme.id}
    assert await explained("INSERT INTO projects (name) VALUES ('x')", **uma) is None


def test_a_login_or_a_mode_that_isolates_nothing_is_refused(
    engine: Engine, tenants: TwoTenants, acme: dict[str, Any]
) -> None:
    everything = enter_workspaces(create_engine(_url(tenants, None)))
    with workspace_context(**acme), everything.connect() as connection, pytest.raises(LoginSeesEverythingError):
        connection.execute(text("SELECT 1"))
    everything.dispose()
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with workspace_context(**acme), autocommit.connect() as connection, pytest.raises(TransactionRequiredError):
        connection.execute(text("SELECT 1"))
    with outside_workspaces(), autocommit.connect() as connection:
        connection.execute(text("SELECT 1"))
    # Engines derived from it enter too.
    with workspace_context(**acme), engine.execution_options(isolation_level="SERIALIZABLE").connect() as connection:
        assert connection.execute(WHERE).scalar_one() == acme["organization_id"]


def test_a_connection_that_was_lost_is_replaced(engine: Engine, tenants: TwoTenants, acme: dict[str, Any]) -> None:
    with workspace_context(**acme):
        with engine.connect() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with tenants.admin() as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        with engine.connect() as connection, pytest.raises(DBAPIError) as lost:
            connection.execute(WHERE)
        assert lost.value.connection_invalidated
        with engine.connect() as connection:
            assert connection.execute(WHERE).scalar_one() == acme["organization_id"]


def test_a_misspelt_keyword_is_refused_before_anything_is_sent(engine: Engine) -> None:
    entries: list[dict[str, Any]] = [
        {"user_id": uuid4(), "organisation_id": uuid4()},
        {"user_id": uuid4(), "read_only": True},
        {},
    ]
    for entry in entries:
        with pytest.raises(TypeError), workspace_context(**entry):
            pytest.fail("the block has started")
    with pytest.raises(UserRequiredError), workspace_context(user_id=None):
        pytest.fail("the block has started")
    for wrong in (create_engine("sqlite://"), engine.pool):
        with pytest.raises(TypeError, match="needs an engine"):
            enter_workspaces(wrong)  # type: ignore[type-var]
    assert enter_workspaces(engine) is engine
