"""Accounts."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import ENTER, KEEPS, WAIT, Probed, Question, error_of, superuser, two_sessions

UPDATE = "SELECT tenancy.update_user('{{{}}}', {})"
DELETE = "SELECT tenancy.delete_user('{{{}}}')"
ROW = "SELECT email, username, first_name, last_name, password_hash, role FROM public.users WHERE id = '{{{}}}'"
KEY = (
    "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash)"
    " VALUES ('{sam}', 'k', 'pgt_00000001', encode(sha256('pgt_00000001_x'), 'hex'))"
)
USE_KEY = "SELECT tenancy.enter_with_api_key('pgt_00000001_x')"
FORGE = "SELECT set_config('tenancy.context', repeat('0', 72) || repeat('1', 46) || '/staff/', true)"
UNOWNED = (
    "WITH o AS (INSERT INTO public.organizations (name, slug) VALUES ('Unowned', 'unowned') RETURNING id)"
    " INSERT INTO public.organization_memberships (organization_id, user_id, role) SELECT id, '{uma}', 'user' FROM o"
)
COUNT = "SELECT count(*) FROM public.users"
NOT_NULL = ["ALTER TABLE public.users ALTER username SET NOT NULL"]


def _trigger(body: str) -> list[str]:
    """Return SQL that creates a trigger of the application on its users."""
    return [
        "CREATE TABLE public.things (username text NOT NULL, CONSTRAINT things_check CHECK (username <> 'y'))",
        "GRANT INSERT ON public.things TO tenancy_writer",
        f"CREATE FUNCTION public.own() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN new; END$$",
        "CREATE TRIGGER own BEFORE INSERT OR UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.own()",
    ]


# Notes the role with which rows of tables that came with pg-tenancy change, and what is left of an account.
GOING = [
    "CREATE TABLE public.gone (login name NOT NULL DEFAULT current_user)",
    "GRANT INSERT ON public.gone TO PUBLIC",
    "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN INSERT INTO public.gone DEFAULT VALUES; RETURN NULL; END$$",
    *(
        f"CREATE TRIGGER note AFTER UPDATE OR DELETE ON public.{table} FOR EACH ROW EXECUTE FUNCTION public.note()"
        for table in ("organization_memberships", "api_keys", "organizations")
    ),
    KEY.replace("{sam}", "{uma}"),
    "INSERT INTO public.api_keys (user_id, organization_id, name, key_prefix, key_hash)"
    " VALUES ('{uma}', '{acme}', 'k', 'pgt_00000002', encode(sha256('pgt_00000002_x'), 'hex'))",
    "UPDATE public.organizations SET created_by_user_id = '{uma}' WHERE id = '{acme}'",
    "TRUNCATE public.gone",
]
GONE = (
    "SELECT array_agg(DISTINCT login::text),"
    " (SELECT count(*) FROM public.api_keys WHERE name = 'k' AND user_id IS NULL),"
    " (SELECT count(*) FROM public.organizations WHERE created_by_user_id IS NULL AND id = '{acme}') FROM public.gone"
)

# A rule of the application, data that it forbids, and the name of the error.
OWN_RULES: list[tuple[list[str], str, str]] = [
    (["CREATE UNIQUE INDEX u ON public.users (lower(username))"], "'Olga'", "username_taken"),
    (["CREATE UNIQUE INDEX u ON public.users (first_name) INCLUDE (username)"], "'x', 'Olga'", "user_data_invalid"),
    (
        [
            "ALTER TABLE public.users ADD username_of text DEFAULT 'x'",
            "CREATE UNIQUE INDEX u ON public.users (username_of) WHERE username = 'x' OR username = 'olga'",
        ],
        "'x'",
        "user_data_invalid",
    ),
    (
        ["CREATE UNIQUE INDEX u ON public.users (first_name, (length(email) > 0)) WHERE first_name = 'Olga'"],
        "'x', 'Olga'",
        "email_taken",
    ),
    (["ALTER TABLE public.users ADD CONSTRAINT u EXCLUDE USING btree (username WITH =)"], "'olga'", "username_taken"),
    (["ALTER TABLE public.users ALTER username TYPE varchar(10)"], "'eleven char'", "user_data_invalid"),
    (
        [
            "ALTER TABLE public.users DROP username",
            "ALTER TABLE public.users ADD username text GENERATED ALWAYS AS (upper(email)) STORED",
        ],
        "'x'",
        "user_data_invalid",
    ),
    (
        [
            "CREATE DOMAIN public.short AS varchar(10) CHECK (value <> 'no')",
            "ALTER TABLE public.users ALTER username TYPE public.short",
        ],
        "'eleven char'",
        "user_data_invalid",
    ),
    (
        [
            "CREATE DOMAIN public.short AS varchar(10) CHECK (value <> 'no')",
            "ALTER TABLE public.users ALTER username TYPE public.short",
        ],
        "'no'",
        "user_data_invalid",
    ),
    (["ALTER TABLE public.users ADD CHECK (username <> 'no')"], "'no'", "user_data_invalid"),
    (_trigger("INSERT INTO public.things VALUES ('y')"), "'x'", "things_check"),
    (_trigger("INSERT INTO public.things VALUES (NULL)"), "'x'", "23502"),
    (_trigger("RAISE USING ERRCODE = '22001', MESSAGE = 'x'"), "'x'", "22001"),
    *(
        (
            _trigger(
                f"RAISE USING ERRCODE = '{state}', CONSTRAINT = 'own', SCHEMA = 'public', TABLE = 'users',"
                " MESSAGE = 'x'"
            ),
            "'x'",
            "own",
        )
        for state in ("23505", "23514")
    ),
]


def _after(user: str, organization: str | None, call: str, question: str) -> list[str]:
    """Return steps that check, as the superuser, the result of a call."""
    return ["as app", f"enter {user} {organization}", call, "as None", question]


QUESTIONS: list[Question] = [
    # who is seen
    (
        "app",
        "uma",
        "acme",
        "SELECT string_agg(username, ' ' ORDER BY username) FROM public.users",
        [("abe ann max uma",)],
    ),
    ("app", "olga", "bulk", "SELECT username FROM public.users", [("olga",)]),
    ("app", "sam", None, "SELECT username FROM public.users", [("sam",)]),
    (
        "app",
        "sam",
        None,
        "SELECT tenancy.visible_user_ids()::text[] = ARRAY['{sam}'], tenancy.sees_all_users()",
        [(True, False)],
    ),
    ("app", "ann", "acme", "SELECT tenancy.sees_all_users()", [(False,)]),
    ("app", None, None, "SELECT tenancy.sees_all_users()", "no_context"),
    ("app", "sam", "platform", "SELECT count(*) FROM public.users", [(6,)]),
    ("app", "sam", "platform", "SELECT cardinality(tenancy.visible_user_ids()), tenancy.sees_all_users()", [(6, True)]),
    ("app", "sam", "platform", "SELECT password_hash FROM public.users", "42501"),
    # These raise even without any row.
    *(
        ("app", None, None, [*before, "SELECT id FROM public.users WHERE id = '{nobody}'"], "no_context")
        for before in ([], ["SET LOCAL enable_indexscan = off", "SET LOCAL enable_bitmapscan = off"])
    ),
    ("app", "uma", "acme", "SELECT cardinality(tenancy.visible_user_ids())", [(4,)]),
    ("app", "uma", None, "SELECT tenancy.visible_user_ids()::text[] = ARRAY['{uma}']", [(True,)]),
    ("app", None, None, "SELECT tenancy.visible_user_ids()", "no_context"),
    *(
        superuser(
            [
                "DELETE FROM tenancy.role_permissions WHERE permission = 'members.view' AND role = 'user'",
                "as app",
                "enter uma acme",
                question,
            ],
            [(0,)],
        )
        for question in (COUNT, "SELECT cardinality(tenancy.visible_user_ids())")
    ),
    # The permissions of staff are in the matrix too.
    *(
        superuser(
            [
                f"DELETE FROM tenancy.role_permissions WHERE role = 'staff' AND permission = 'users.{permission}'",
                "as app",
                "enter sam platform",
                call,
            ],
            "permission_denied",
        )
        for permission, call in (
            ("create", "SELECT tenancy.create_user('new@example.com')"),
            ("update", UPDATE.format("uma", "username => 'x'")),
            ("delete", DELETE.format("uma")),
        )
    ),
    # everybody
    *(("app", "sam", where, "SELECT count(*) FROM tenancy.all_users()", [(6,)]) for where in (None, "platform")),
    ("app", "sam", None, "SELECT username FROM tenancy.all_users(' OLGA@example.com')", [("olga",)]),
    (
        "app",
        "sam",
        None,
        "SELECT count(*) FROM tenancy.all_users(after_id => (SELECT user_id FROM tenancy.all_users(page_size => 1)))",
        [(5,)],
    ),
    ("app", "sam", None, "SELECT count(*) FROM tenancy.all_users(page_size => 2)", [(2,)]),
    *(
        ("app", "sam", None, f"SELECT tenancy.all_users(page_size => {size})", "page_size_invalid")
        for size in (0, 10001, "NULL")
    ),
    ("app", "ann", None, "SELECT tenancy.all_users()", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.all_users()", "permission_denied"),
    ("app", None, None, "SELECT tenancy.all_users()", "no_context"),
    ("app", None, None, [FORGE, "SELECT tenancy.all_users()"], "invalid_context"),
    superuser([KEY, "as app", USE_KEY, "SELECT tenancy.all_users()"], "permission_denied"),
    # making
    superuser(
        _after(
            "abe",
            "acme",
            "SELECT tenancy.create_user(' New@example.com', 'newt', 'N', 'T', 'h')",
            "SELECT u.email, u.username, u.first_name, u.last_name, u.password_hash, u.role, m.role, o.slug"
            " FROM public.users AS u JOIN public.organization_memberships AS m ON u.id = m.user_id"
            " JOIN public.organizations AS o ON o.id = m.organization_id WHERE u.created_at >= now()",
        ),
        [("New@example.com", "newt", "N", "T", "h", "user", "user", "acme")],
    ),
    ("app", "sam", None, "SELECT tenancy.create_user('new@example.com')", "organization_required"),
    superuser(_after("sam", "platform", "SELECT tenancy.create_user('new@example.com')", COUNT), [(7,)]),
    ("app", "max", "acme", "SELECT tenancy.create_user('new@example.com')", "permission_denied"),
    ("app", "ann", None, "SELECT tenancy.create_user('new@example.com')", "organization_required"),
    ("app", "ann", "acme", "SELECT tenancy.create_user('OLGA@example.com')", "email_taken"),
    superuser(
        [
            "DELETE FROM tenancy.role_delegations WHERE role = 'admin'",
            "as app",
            "enter abe acme",
            "SELECT tenancy.create_user('new@example.com')",
        ],
        "delegation_denied",
    ),
    *(
        superuser([KEY, "as app", USE_KEY, f"SELECT tenancy.{call}"], "person_required")
        for call in ("create_user('new@example.com')", "update_user('{sam}', username => 'x')", "delete_user('{sam}')")
    ),
    # changing
    superuser(
        [
            *_after("abe", "acme", UPDATE.format("uma", "username => 'u'"), ROW.format("uma")),
        ],
        [("uma@example.com", "u", "Uma", "Example", "hash of uma", "user")],
    ),
    superuser(
        _after("abe", "acme", UPDATE.format("max", "first_name => 'f', last_name => 'l'"), ROW.format("max")),
        [("max@example.com", "max", "f", "l", "hash of max", "user")],
    ),
    superuser(
        _after("uma", "acme", UPDATE.format("uma", "' U@x ', password_hash => 'p'"), ROW.format("uma")),
        [("U@x", "uma", "Uma", "Example", "p", "user")],
    ),
    superuser(
        _after("sam", "platform", UPDATE.format("ann", "'a@x', password_hash => 'p'"), ROW.format("ann")),
        [("a@x", "ann", "Ann", "Example", "p", "user")],
    ),
    superuser(
        _after(
            "uma",
            None,
            UPDATE.format("uma", "username => 'u'"),
            "SELECT username FROM public.users WHERE updated_at >= now()",
        ),
        [("u",)],
    ),
    superuser(_after("uma", None, UPDATE.format("uma", "'UMA@example.com'"), "SELECT 1"), [(1,)]),
    ("app", "uma", None, UPDATE.format("uma", "'OLGA@example.com'"), "email_taken"),
    ("app", "uma", None, UPDATE.format("uma", "'x'"), "email_invalid"),
    ("app", "uma", None, UPDATE.format("ann", "username => 'x'"), "permission_denied"),
    ("app", "max", "acme", UPDATE.format("uma", "username => 'x'"), "permission_denied"),
    ("app", "abe", "acme", UPDATE.format("ann", "username => 'x'"), "delegation_denied"),
    ("app", "ann", "acme", UPDATE.format("uma", "'x@x'"), "credentials_denied"),
    ("app", "ann", "acme", UPDATE.format("uma", "password_hash => 'x'"), "credentials_denied"),
    ("app", "ann", "acme", UPDATE.format("olga", "username => 'x'"), "member_not_found"),
    ("app", "sam", None, UPDATE.format("ann", "username => 'x'"), "permission_denied"),
    ("app", "sam", "platform", UPDATE.format("nobody", "username => 'x'"), "user_not_found"),
    ("app", None, None, UPDATE.format("uma", "'x'"), "no_context"),
    ("app", "max", "acme", UPDATE.format("uma", "'x'"), "permission_denied"),
    # what the application's own rules refuse
    *(
        superuser([*rules, "as app", "enter ann acme", f"SELECT tenancy.{call}"], name)
        for rules, given, name in OWN_RULES
        for call in (f"create_user('new@example.com', {given})", f"update_user('{{ann}}', NULL, {given})")
    ),
    *(
        (
            "app",
            "ann",
            "acme",
            f"SELECT tenancy.create_user('new@example.com', {name} => E'a\\nb')",
            "user_data_invalid",
        )
        for name in ("username", "first_name", "last_name")
    ),
    superuser(
        [*NOT_NULL, "as app", "enter ann acme", "SELECT tenancy.create_user('x@x')"],
        "user_data_invalid",
    ),
    superuser(
        [
            "CREATE DOMAIN public.given AS text NOT NULL",
            "ALTER TABLE public.users ALTER username TYPE public.given",
            "as app",
            "enter ann acme",
            "SELECT tenancy.create_user('x@x')",
        ],
        "user_data_invalid",
    ),
    superuser(
        [*NOT_NULL, "as app", "SELECT tenancy.accept_invitation('inv_open_acme')"],
        "user_data_invalid",
    ),
    # deleting
    ("app", "max", "acme", DELETE.format("uma"), "permission_denied"),
    ("app", "abe", "acme", DELETE.format("max"), "delegation_denied"),
    ("app", "ann", "acme", DELETE.format("olga"), "member_not_found"),
    ("app", "ann", "acme", DELETE.format("ann"), KEEPS),
    superuser(
        _after(
            "abe",
            "acme",
            DELETE.format("uma"),
            "SELECT (SELECT count(*) FROM public.users), count(*) FROM public.organization_memberships",
        ),
        [(6, 7)],
    ),
    ("app", "uma", None, DELETE.format("ann"), "permission_denied"),
    ("app", "ann", None, DELETE.format("ann"), KEEPS),
    ("app", "sam", None, DELETE.format("ann"), "permission_denied"),
    ("app", "sam", "platform", DELETE.format("ann"), KEEPS),
    ("app", "sam", "platform", DELETE.format("nobody"), "user_not_found"),
    superuser(_after("uma", None, DELETE.format("uma"), COUNT), [(5,)]),
    superuser(_after("uma", None, DELETE.format("uma"), "SELECT count(*) FROM tenancy.workspaces"), [(10,)]),
    superuser(_after("sam", "platform", DELETE.format("uma"), COUNT), [(5,)]),
    superuser([*GOING, *_after("uma", None, DELETE.format("uma"), GONE)], [(["tenancy_writer"], 1, 1)]),
    # Duo has another owner; Abe does not own Acme.
    superuser(_after("abe", None, DELETE.format("abe"), COUNT), [(5,)]),
    superuser([UNOWNED, *_after("uma", None, DELETE.format("uma"), COUNT)], [(5,)]),
    superuser(
        [
            "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
            " VALUES ('{bulk}', '{uma}', 'admin')",
            "as app",
            "enter olga None",
            DELETE.format("olga"),
        ],
        KEEPS,
    ),
    *(
        superuser(
            [
                f"CREATE TABLE public.things (owner uuid REFERENCES public.users (id) ON DELETE {action})",
                "INSERT INTO public.things VALUES ('{uma}')",
                "as app",
                "enter uma None",
                DELETE.format("uma"),
            ],
            "user_in_use",
        )
        for action in ("NO ACTION", "RESTRICT")
    ),
    superuser(
        [
            "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE USING ERRCODE = '23503', CONSTRAINT = 'unpaid', MESSAGE = 'x'; END$$",
            "CREATE TRIGGER refuse BEFORE DELETE ON public.users FOR EACH ROW EXECUTE FUNCTION public.refuse()",
            "as app",
            "enter uma None",
            DELETE.format("uma"),
        ],
        "unpaid",
    ),
    *(
        superuser(
            [
                "INSERT INTO public.providers (name) VALUES ('p')",
                "INSERT INTO public.instances (provider_id, user_id)"
                " SELECT id, '{uma}' FROM public.providers WHERE name = 'p'",
                KEY.replace("{sam}", "{uma}"),
                "CREATE TABLE public.things (of uuid CONSTRAINT things_of_fkey"
                f" REFERENCES {referred} (id) DEFERRABLE INITIALLY DEFERRED)",
                f"INSERT INTO public.things SELECT id FROM {referred} WHERE {column} = '{{uma}}'",
                "as app",
                "enter uma None",
                DELETE.format("uma"),
            ],
            "user_in_use",
        )
        for referred, column in (
            ("public.users", "id"),
            ("public.api_keys", "user_id"),
            ("public.instances", "user_id"),
            ("tenancy.workspaces", "id"),
        )
    ),
    # Constraints that are checked at COMMIT still are.
    superuser(
        [
            "CREATE TABLE public.things (of uuid CONSTRAINT things_of_fkey"
            " REFERENCES public.users (id) DEFERRABLE INITIALLY DEFERRED)",
            "GRANT INSERT ON public.things TO tenancy_app",
            "as app",
            "enter uma None",
            DELETE.format("uma"),
            "INSERT INTO public.things VALUES ('{nobody}')",
            "SELECT 1",
        ],
        [(1,)],
    ),
    # A key of an adopted table without ON DELETE, which is checked first because it is the oldest.
    superuser(
        [
            "ALTER TABLE public.instances DROP CONSTRAINT instances_tenancy_user_id_fkey,"
            " ADD CONSTRAINT instances_tenancy_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users (id)",
            "ALTER TABLE tenancy.workspaces DROP CONSTRAINT workspaces_user_id_fkey, ADD CONSTRAINT"
            " workspaces_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users (id) ON DELETE CASCADE",
            "INSERT INTO public.providers (name) VALUES ('p')",
            "INSERT INTO public.instances (provider_id, user_id)"
            " SELECT id, '{uma}' FROM public.providers WHERE name = 'p'",
            *_after(
                "uma", None, DELETE.format("uma"), "SELECT count(*) FROM public.instances WHERE workspace_id = '{uma}'"
            ),
        ],
        [(0,)],
    ),
    # The costs of an instance go before it.
    superuser(
        [
            "INSERT INTO public.providers (name) VALUES ('p')",
            "INSERT INTO public.instances (provider_id, user_id)"
            " SELECT id, '{uma}' FROM public.providers WHERE name = 'p'",
            "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
            " SELECT now(), i.provider_id, i.id, 1 FROM public.instances AS i WHERE i.user_id = '{uma}'",
            *_after(
                "uma",
                None,
                DELETE.format("uma"),
                "SELECT count(*) FROM finops.cost_actual_minute WHERE workspace_id = '{uma}'",
            ),
        ],
        [(0,)],
    ),
    # Usage stays although its instance and its key are deleted.
    superuser(
        [
            KEY.replace("{sam}", "{uma}"),
            "INSERT INTO public.providers (name) VALUES ('p')",
            "INSERT INTO public.instances (provider_id, user_id)"
            " SELECT id, '{uma}' FROM public.providers WHERE name = 'p'",
            "INSERT INTO finops.inference_usage (instance_id, api_key_id)"
            " SELECT i.id, k.id FROM public.instances AS i, public.api_keys AS k"
            " WHERE i.user_id = '{uma}' AND k.user_id = '{uma}' AND k.organization_id IS NULL",
            "DELETE FROM public.users WHERE id = '{uma}'",
            "SELECT DISTINCT instance_id, api_key_id FROM finops.inference_usage",
        ],
        [(None, None)],
    ),
]


def _floor(probed: Probed) -> None:
    """The list of visible people is computed before a row is read."""
    connection = probed.connections["app"]
    try:
        connection.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
        connection.execute("SET LOCAL enable_seqscan = off")
        plan = str(
            connection.execute("EXPLAIN SELECT id FROM public.users WHERE id = %s", [probed.ids["olga"]]).fetchall()
        )
        assert "Index Cond: ((id = ANY" in plan, plan
        connection.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
        plan = str(connection.execute("EXPLAIN SELECT id FROM public.users WHERE email = 'x'").fetchall())
        assert "Filter: (CASE WHEN" in plan, plan
    finally:
        connection.rollback()


def _one_address(probed: Probed) -> None:
    """Creating an account and changing an address wait for each other, the first time and later."""
    probed.admin.execute("SELECT tenancy_private.lock_email('again@example.com')")
    for address in ("new", "again"):
        with two_sessions(probed) as (connection, other):
            connection.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
            connection.execute("SELECT tenancy.create_user(%s)", [f"{address}@example.com"])
            other.execute("SELECT tenancy.enter(%s)", [probed.ids["olga"]])
            update = f"SELECT tenancy.update_user(%s, '{address.upper()}@example.com')"
            assert probed.waits(other, update, probed.ids["olga"]), "two accounts"


def _both_owners(probed: Probed) -> None:
    """Two owners of one organization who delete their accounts wait for each other."""
    admin, connection, other = probed.admin, probed.connections["app"], probed.connections["other"]
    # Ann is the only owner of other organizations, whose error would come first.
    moved = (
        "UPDATE public.organization_memberships SET user_id = %s WHERE user_id = %s AND role = 'owner'"
        " AND organization_id = ANY(%s)"
    )
    organizations = [probed.ids["acme"], probed.ids["gone"]]
    admin.execute(moved, [probed.ids["olga"], probed.ids["ann"], organizations])
    try:
        connection.execute("SELECT tenancy.enter(%s)", [probed.ids["ann"]])
        connection.execute("SELECT tenancy.delete_user(%s)", [probed.ids["ann"]])
        other.execute(WAIT)
        other.execute("SELECT tenancy.enter(%s)", [probed.ids["abe"]])
        answer = error_of(other, "SELECT tenancy.delete_user(%s)", probed.ids["abe"])
        assert answer == "55P03", answer
    finally:
        connection.rollback()
        other.rollback()
        admin.execute(moved, [probed.ids["ann"], probed.ids["olga"], organizations])


OTHERS = {
    "users_select users_tenant visible_user_ids plan": _floor,
    "update_user lock_email wait": _one_address,
    "delete_user wait": _both_owners,
}
