"""Whether each difference between a table and its contract is found, named and mended."""

from __future__ import annotations

from support.probes.base import Probed, Question, superuser

VERIFY = "CALL tenancy_private.verify_contracts()"
CLOSE = "CALL tenancy_private.close_own_table('tenancy_private.things')"

# Manual changes of a table: all must be found, and undone by the repair.
BROKEN = (
    "ALTER TABLE public.models DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE public.models NO FORCE ROW LEVEL SECURITY",
    "DROP POLICY models_tenant ON public.models",
    "CREATE POLICY wide ON public.models USING (true)",
    "ALTER POLICY models_select ON public.models USING (true)",
    "ALTER POLICY models_insert ON public.models WITH CHECK (true)",
    "ALTER POLICY models_tenant ON public.models TO tenancy_auditor",
    "DROP POLICY models_tenant_update ON public.models",
    "ALTER POLICY models_tenant_insert ON public.models WITH CHECK (true)",
    # A permissive floor.
    "DO $$ BEGIN EXECUTE (SELECT format('DROP POLICY users_tenant ON public.users; CREATE POLICY users_tenant"
    " ON public.users FOR SELECT TO tenancy_credentialed USING (%s)', pg_get_expr(polqual, polrelid))"
    " FROM pg_policy WHERE polname = 'users_tenant'); END $$",
    "DROP POLICY models_service ON public.models; CREATE POLICY models_service ON public.models FOR SELECT"
    " TO tenancy_service, tenancy_owner USING (true)",
    "GRANT SELECT ON public.models TO tenancy_app",
    "GRANT SELECT ON public.models TO tenancy_auditor",
    "GRANT SELECT ON public.models TO PUBLIC",
    "GRANT UPDATE (workspace_id) ON public.models TO tenancy_credentialed",
    "GRANT UPDATE (name) ON public.api_keys TO tenancy_credentialed WITH GRANT OPTION",
    "REVOKE SELECT (name) ON public.models FROM tenancy_credentialed",
    "GRANT INSERT ON tenancy.audit_log TO tenancy_service",
    "GRANT SELECT ON tenancy_private.seal_keys TO tenancy_service",
    "GRANT SELECT (id) ON tenancy_private.seal_keys TO tenancy_service",
    "DROP TRIGGER models_tenancy_permission ON public.models",
    "ALTER TABLE public.models ENABLE TRIGGER models_tenancy_permission",
    "ALTER TABLE public.models DISABLE TRIGGER models_tenancy_permission",
    "ALTER TABLE public.instances DISABLE TRIGGER instances_tenancy_status",
    "CREATE TRIGGER more BEFORE INSERT ON public.models FOR EACH ROW EXECUTE FUNCTION tenancy_private.set_workspace()",
)

QUESTIONS: list[Question] = [
    superuser([VERIFY, "SELECT count(*) FROM tenancy_private.broken_contracts()"], [(0,)]),
    *(superuser([statement, VERIFY], "contract_broken") for statement in BROKEN),
    # Checks of phases on their own tables.
    superuser([BROKEN[0], "CALL tenancy_private.verify_protected('public.models')"], "contract_broken"),
    superuser([BROKEN[0], "CALL tenancy_private.verify_protected('public.instances')", "SELECT 1"], [(1,)]),
    # Intended changes can be recorded.
    superuser(
        [
            "CREATE POLICY more ON public.models TO tenancy_auditor USING (false)",
            "GRANT SELECT ON public.models TO tenancy_auditor",
            "CALL tenancy_private.record_contract('public.models')",
            VERIFY,
            "SELECT 1",
        ],
        [(1,)],
    ),
    # Except privileges that everybody would have, and an open table.
    superuser(
        [
            "GRANT SELECT ON public.models TO PUBLIC",
            "CALL tenancy_private.record_contract('public.models')",
            VERIFY,
        ],
        "contract_broken",
    ),
    superuser(
        [
            "ALTER TABLE public.models DISABLE ROW LEVEL SECURITY",
            "CALL tenancy_private.record_contract('public.models')",
        ],
        "contract_broken",
    ),
    # Triggers by name: another one that was dropped meanwhile is still reported.
    superuser(
        [
            "DROP TRIGGER instances_tenancy_status ON public.instances",
            "CALL tenancy_private.record_contract('public.instances')",
            "CALL tenancy_private.record_triggers('public.instances', 'instances_tenancy_permission')",
            VERIFY,
        ],
        "contract_broken",
    ),
    superuser(
        [
            "ALTER TABLE public.instances DISABLE TRIGGER instances_tenancy_status",
            "CALL tenancy_private.record_triggers('public.instances', 'instances_tenancy_permission')",
            VERIFY,
        ],
        "contract_broken",
    ),
    superuser("CALL tenancy_private.record_triggers('public.instances', 'no_such')", "P0001"),
    # A table of pg-tenancy is created closed.
    superuser(["CREATE TABLE tenancy_private.things (id integer)", VERIFY], "contract_broken"),
    superuser(
        [
            "CREATE TABLE tenancy_private.things (id integer)",
            "GRANT SELECT ON tenancy_private.things TO PUBLIC, tenancy_app",
            "GRANT SELECT (id) ON tenancy_private.things TO tenancy_service",
            "CREATE POLICY wide ON tenancy_private.things USING (true)",
            CLOSE,
            VERIFY,
            "SELECT c.relrowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid), r.role"
            " FROM pg_class AS c LEFT JOIN (VALUES ('tenancy_app'), ('tenancy_service')) AS r (role)"
            " ON has_any_column_privilege(r.role, c.oid, 'SELECT') WHERE c.oid = 'tenancy_private.things'::regclass",
        ],
        [(True, 0, None)],
    ),
    superuser(
        [
            "CREATE TABLE tenancy.things (id integer)",
            "GRANT SELECT ON tenancy.things TO PUBLIC",
            "CALL tenancy_private.close_own_table('tenancy.things')",
            VERIFY,
            "SELECT relrowsecurity, relforcerowsecurity, has_table_privilege('tenancy_app', oid, 'SELECT')"
            " FROM pg_class WHERE oid = 'tenancy.things'::regclass",
        ],
        [(True, True, False)],
    ),
    superuser(
        [
            "CALL tenancy.drop_policies('public.models')",
            "SELECT count(*) FROM pg_policy WHERE polrelid = 'public.models'::regclass",
        ],
        [(0,)],
    ),
]
# protect(), allow() and publish() record their results.
QUESTIONS += [
    superuser(
        [
            "CREATE TABLE public.things (id uuid PRIMARY KEY, name text)",
            *calls,
            VERIFY,
            "SELECT count(*) > 0 FROM tenancy_private.contracts WHERE table_name = 'public.things'::regclass",
        ],
        [(True,)],
    )
    for calls in (
        ["CALL tenancy.protect('public.things')"],
        [
            "CALL tenancy.protect('public.things')",
            "CALL tenancy.allow('public.things', 'UPDATE', 'models.update', columns => 'name')",
        ],
        ["CALL tenancy.publish('public.things', columns => 'name')"],
    )
]


def _mends(probed: Probed) -> None:
    """The printed repair restores the former state."""
    connection = probed.connections[None]
    for statement in BROKEN:
        try:
            connection.execute(statement.encode())
            repairs = connection.execute(
                "SELECT string_agg(repair, ' '), count(*) FROM tenancy_private.broken_contracts()"
            ).fetchone()
            assert repairs is not None
            assert repairs[1] == 1, (statement, repairs)
            connection.execute(repairs[0].encode())
            connection.execute(VERIFY)
        finally:
            connection.rollback()


OTHERS = {"verify_contracts broken_contracts contract_of repair": _mends}
