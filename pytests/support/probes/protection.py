"""The application's own tables: the results of protect() and the related calls, and their refusals."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

import re
from collections.abc import Callable

from psycopg.errors import Diagnostic

from support.probes.base import (
    CONTEXT,
    COUNTED_APART,
    ENTER_WITH_KEY,
    NIL,
    ONE,
    REPLICA,
    SEALED,
    SET,
    Probed,
    Question,
    superuser,
)
from support.probes.isolation import MIDWAY, names_midway, shows_midway

THINGS = [
    COUNTED_APART,
    "CREATE TABLE public.things (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, secret text DEFAULT 's')",
    "INSERT INTO public.things (name) VALUES ('before')",
    "SELECT tenancy.define_permission('things.view', ARRAY['owner', 'admin', 'manager', 'user'])",
    "SELECT tenancy.define_permission('things.change', ARRAY['owner', 'admin'])",
    "SELECT tenancy.define_permission('things.moderate', ARRAY['owner'])",
]
OF_EACH = (
    "INSERT INTO public.things (name, workspace_id)"
    " VALUES ('acme', '{acme}'), ('bulk', '{bulk}'), ('ann', '{ann}'), ('olga', '{olga}')"
)
ALLOW = "CALL tenancy.allow('public.things', '{}', '{}', columns => '{}')"
TENANT = [
    *THINGS,
    "CALL tenancy.protect('public.things')",
    ALLOW.format("SELECT", "things.view", "id, name"),
    ALLOW.format("INSERT", "things.change", "name"),
    ALLOW.format("UPDATE", "things.change", "name"),
    "CALL tenancy.allow('public.things', 'DELETE', 'things.change', person => true)",
    OF_EACH,
]
SET_KEY_TRIGGER = "CALL tenancy_private.set_key_trigger('public.things')"
CONSTANTS = (
    r"CREATE UNIQUE INDEX constants ON public.things (name, (decode(md5(name), 'hex') || '\x00a0'),"
    " (length(name) + '0.12345678901234567'::float8), (length(name) * '-1 day +2:00'::interval),"
    " ('2020-02-01'::date + length(name)), (coalesce('2020-02-01 0:00+00'::timestamptz, 'infinity')))"
    r" WHERE (name ~ '^\D+$')"
)
TAKEN = "INSERT INTO public.things (name) VALUES ('bulk') ON CONFLICT DO NOTHING"
SETTINGS = (
    "quote_all_identifiers = on",
    "datestyle = 'SQL, DMY'",
    "intervalstyle = 'sql_standard'",
    "timezone = 'Asia/Kathmandu'",
    "extra_float_digits = -15",
    "bytea_output = 'escape'",
    "standard_conforming_strings = off",
)
CHILD = [
    "CREATE TABLE public.parts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, thing_id uuid"
    " REFERENCES public.things (id) ON DELETE CASCADE)",
    "INSERT INTO public.parts (name, thing_id) SELECT name, id FROM public.things",
    "CALL tenancy.protect('public.parts', parent => 'thing_id')",
    "CALL tenancy.allow('public.parts', 'SELECT', 'things.view', columns => 'name, thing_id')",
    "CALL tenancy.allow('public.parts', 'INSERT', 'things.change', columns => 'name, thing_id')",
]
AUTHOR = [
    *THINGS,
    "ALTER TABLE public.things ADD author uuid, ADD shared boolean NOT NULL DEFAULT false",
    "CALL tenancy.protect('public.things', author => 'author', shared => 'shared')",
    *(
        ALLOW.format(command, permission, columns)
        for command, permission, columns in (
            ("SELECT", "things.view", "id, name, shared"),
            ("INSERT", "things.change", "name, shared"),
            ("UPDATE", "things.change", "name, shared"),
        )
    ),
    "CALL tenancy.allow('public.things', 'DELETE', 'things.change')",
    "INSERT INTO public.things (name, workspace_id, author, shared) VALUES"
    " ('ann', '{acme}', '{ann}', false), ('ann shared', '{acme}', '{ann}', true), ('abe', '{acme}', '{abe}', false),"
    " ('abe shared', '{acme}', '{abe}', true), ('nobody', '{acme}', NULL, false), ('bulk', '{bulk}', '{ann}', true)",
]
CATALOGUE = [
    *THINGS,
    "CALL tenancy.protect('public.things', catalogue => true)",
    ALLOW.format("SELECT", "things.view", "id, name"),
    *(
        f"CALL tenancy.allow('public.things', '{command}', 'things.change', 'name', \"for\" => 'organization')"
        for command in ("INSERT", "UPDATE")
    ),
    "CALL tenancy.allow('public.things', 'DELETE', 'things.change', \"for\" => 'organization')",
    OF_EACH,
]
# The first step of pg-tenancy protect, while everybody keeps using the table.
BEGIN_ONLINE = "CALL tenancy_private.adopt_table('public.parts', 'thing_id', NULL, online => true)"
ONLINE = [*TENANT, *CHILD[:2], BEGIN_ONLINE]
END_AT_ONCE = "CALL tenancy.protect('public.parts', parent => 'thing_id')"
PARTS = (
    "SELECT (SELECT string_agg(conname || CASE WHEN convalidated THEN '' ELSE ' not valid' END, ' ' ORDER BY conname)"
    " FROM pg_constraint WHERE conrelid = 'public.parts'::regclass AND contype = 'f'),"
    " (SELECT string_agg(index_name || CASE WHEN is_unique THEN ' unique' ELSE '' END || columns::text, ' ' ORDER BY"
    " index_name) FROM tenancy_private.wanted_indexes WHERE table_name = 'public.parts'::regclass),"
    " (SELECT count(*) FROM pg_index WHERE indrelid = 'public.parts'::regclass),"
    " (SELECT count(*) FROM public.parts AS p INNER JOIN public.things AS t ON p.thing_id = t.id"
    " WHERE p.workspace_id <> t.workspace_id)"
)
BEGUN = [
    (
        "parts_tenancy_thing_id_fkey not valid parts_tenancy_workspace_id_fkey not valid parts_thing_id_fkey",
        "parts_tenancy_key unique{workspace_id,id} parts_tenancy_thing_id_idx{workspace_id,thing_id}",
        1,
        4,
    )
]
ENDED = [("parts_tenancy_thing_id_fkey parts_tenancy_workspace_id_fkey", None, 3, 0)]
# After a transaction a variable is an empty text.
MOVED = "set_config('test.moved', concat_ws(' ', nullif(current_setting('test.moved', true), ''), {}), true)"
PUBLISHED = [*THINGS, "CALL tenancy.publish('public.things', columns => 'id, name')"]
TO_THINGS = "FOREIGN KEY (thing_id) REFERENCES public.things (id)"
PARTITIONED = [
    "CREATE TABLE public.events (id uuid, at date) PARTITION BY RANGE (at)",
    "CREATE TABLE public.events_1 PARTITION OF public.events FOR VALUES FROM ('2001-01-01') TO ('2002-01-01')",
]
LATER_KEY = [
    "CREATE TABLE public.parts (id uuid PRIMARY KEY, thing_id uuid)",
    "CALL tenancy.protect('public.parts')",
    "CALL tenancy.allow('public.parts', 'INSERT', 'things.change', columns => 'thing_id')",
    f"ALTER TABLE public.parts ADD {TO_THINGS}",
]
RENAMED = [
    "ALTER TABLE public.things RENAME TO items",
    "ALTER TABLE public.parts RENAME TO pieces",
    "ALTER TABLE public.pieces RENAME thing_id TO item_id",
]
TREE = [
    "CREATE TABLE public.levels (id integer PRIMARY KEY, part_of integer REFERENCES public.levels (id))",
    "INSERT INTO public.levels VALUES (1, NULL), (2, 1), (3, 2)",
    "CALL tenancy.protect('public.levels', parent => 'part_of')",
]
BEGIN_TREE = "CALL tenancy_private.adopt_table('public.levels', 'part_of', NULL, online => true)"
SHAPES = {"tenant": TENANT, "author": AUTHOR, "catalogue": CATALOGUE}
VIEW_TAKEN = "DELETE FROM tenancy.role_permissions WHERE permission = 'things.view' AND role = 'user'"
UNIQUE = "CREATE UNIQUE INDEX ON public.things (name)"
VERIFY_KEYS = "CALL tenancy_private.verify_keys()"
UNCHECKED = "SELECT count(*) FROM tenancy_private.unchecked_keys()"
VERIFY_REFERENCES = "CALL tenancy_private.verify_references()"
OPEN_REFERENCES = "SELECT count(*) FROM tenancy_private.open_references()"
MOVED_AWAY = ["ALTER TABLE apart.one SET SCHEMA away", "CALL tenancy.protect('away.one')"]
NAMES = "SELECT string_agg(name, ' ' ORDER BY name) FROM public.things"
# Access to accounts is defined by changes of pg-tenancy, which begin like this.
REVISED = "CALL tenancy_private.revise('public.users')"
FORGED = [
    SET.format("current_user_id", "{ann}"),
    SET.format("current_organization_id", "{acme}"),
    SET.format("context", "0" * 72 + "1" * 200 + "_owner_"),
]


def _as(who: str, *statements: str, login: str = "app") -> list[str]:
    return [f"as {login}", f"enter {who}", *statements]


QUESTIONS: list[Question] = [
    # who sees what
    *(
        superuser([*SHAPES[shape], *_as(who, NAMES)], [(names,)])
        for shape, who, names in (
            ("tenant", "uma acme", "acme"),
            ("tenant", "ann None", "ann"),
            ("tenant", "olga bulk", "bulk"),
            ("tenant", "sam platform", None),
            ("catalogue", "uma acme", "acme before"),
            ("catalogue", "ann None", "ann before"),
            ("author", "uma acme", "abe shared ann shared"),
            ("author", "ann acme", "abe shared ann ann shared"),
            ("author", "abe acme", "abe abe shared ann shared"),
            ("author", "ann duo", None),
        )
    ),
    *(
        superuser(
            [
                *SHAPES[shape],
                "DELETE FROM tenancy.role_permissions WHERE permission = 'things.view' AND role = 'user'",
                *_as("uma acme", NAMES),
            ],
            [(None,)],
        )
        for shape in SHAPES
    ),
    *(superuser([*SHAPES[shape], "as app", NAMES], "no_context") for shape in SHAPES),
    *(superuser([*SHAPES[shape], "as app", *FORGED, NAMES], "invalid_context") for shape in SHAPES),
    *(
        superuser([*SHAPES[shape], *_as("ann acme", "SELECT secret FROM public.things")], "42501")
        for shape in (*SHAPES,)
    ),
    *(
        superuser([*SHAPES[shape], "as auditor", "SELECT count(name) FROM public.things", "as None", recorded], [(1,)])
        for shape in SHAPES
        for recorded in (
            "SELECT count(*) FROM tenancy.audit_log WHERE action = 'table.read' AND object_id = 'public.things'",
        )
    ),
    *(
        superuser(
            [*SHAPES[shape], "as service", "UPDATE public.things SET secret = '' WHERE id IS NOT NULL", NAMES],
            [(names,)],
        )
        for shape, names in (
            ("tenant", "acme ann before bulk olga"),
            ("author", "abe abe shared ann ann shared before bulk nobody"),
        )
    ),
    # who writes what
    *(
        superuser([*SHAPES[shape], *before, *_as(who, statement)], "permission_denied")
        for shape in SHAPES
        for before in ([], [REPLICA])
        for who, statement in (
            ("uma acme", "INSERT INTO public.things (name) VALUES ('x')"),
            ("uma acme", "UPDATE public.things SET name = 'x' WHERE false"),
            ("uma acme", "DELETE FROM public.things WHERE false"),
        )
    ),
    # Each command is checked by its own permission.
    *(
        superuser(
            [
                *THINGS,
                *(
                    f"SELECT tenancy.define_permission('things.{command}', ARRAY['user'])"
                    for command in ("insert", "update", "delete")
                ),
                f"DELETE FROM tenancy.role_permissions WHERE permission = 'things.{lost}'",
                "CALL tenancy.protect('public.things')",
                ALLOW.format("SELECT", "things.view", "id, name"),
                ALLOW.format("INSERT", "things.insert", "name"),
                ALLOW.format("UPDATE", "things.update", "name"),
                "CALL tenancy.allow('public.things', 'DELETE', 'things.delete')",
                OF_EACH,
                *_as("uma acme", statement, "SELECT 1"),
            ],
            "permission_denied" if lost == command else [(1,)],
        )
        for lost in ("insert", "update", "delete")
        for command, statement in (
            ("insert", "INSERT INTO public.things (name) VALUES ('x')"),
            ("update", "UPDATE public.things SET name = 'x'"),
            ("delete", "DELETE FROM public.things"),
        )
    ),
    *(
        superuser(
            [*SHAPES[shape], *_as(who, statement), "as None", NAMES],
            [(names,)],
        )
        for shape, who, statement, names in (
            ("tenant", "ann acme", "UPDATE public.things SET name = 'x'", "ann before bulk olga x"),
            ("tenant", "ann acme", "DELETE FROM public.things", "ann before bulk olga"),
            ("tenant", "ann None", "DELETE FROM public.things", "acme before bulk olga"),
            ("catalogue", "ann acme", "UPDATE public.things SET name = 'x'", "ann before bulk olga x"),
            ("catalogue", "ann acme", "DELETE FROM public.things", "ann before bulk olga"),
            ("author", "abe acme", "UPDATE public.things SET name = 'x'", "ann ann shared before bulk nobody x x"),
            ("author", "abe acme", "DELETE FROM public.things", "ann ann shared before bulk nobody"),
            # Ann moderates.
            ("author", "ann acme", "DELETE FROM public.things", "abe before bulk nobody"),
            ("author", "ann acme", "UPDATE public.things SET name = 'x'", "abe before bulk nobody x x x"),
        )
    ),
    *(
        superuser(
            [
                *SHAPES[shape],
                *_as(who, "INSERT INTO public.things (name) VALUES ('new')"),
                "as None",
                f"SELECT workspace_id::text{author} FROM public.things WHERE name = 'new'",
            ],
            [row],
        )
        for shape, who, author, row in (
            ("tenant", "ann acme", "", ("{acme}",)),
            ("tenant", "ann None", "", ("{ann}",)),
            ("catalogue", "ann acme", "", ("{acme}",)),
            ("author", "abe acme", ", author::text", ("{acme}", "{abe}")),
        )
    ),
    *(
        superuser([*CATALOGUE, *_as("ann None", statement)], "permission_denied")
        for statement in (
            "INSERT INTO public.things (name) VALUES ('x')",
            "UPDATE public.things SET name = 'x'",
            "DELETE FROM public.things",
        )
    ),
    *(
        superuser([*TENANT, *_as("ann acme", statement)], "42501")
        for statement in (
            "UPDATE public.things SET workspace_id = '{bulk}'",
            "UPDATE public.things SET secret = 'x'",
            f"INSERT INTO public.things (name, workspace_id) VALUES ('x', '{NIL}')",
        )
    ),
    superuser([*TENANT, "as app", ENTER_WITH_KEY.format("k_ann"), "DELETE FROM public.things"], "person_required"),
    superuser(
        [*TENANT, "as app", ENTER_WITH_KEY.format("k_ann"), "INSERT INTO public.things (name) VALUES ('x')", NAMES],
        [("ann x",)],
    ),
    # A program is neither an author nor a moderator.
    superuser([*AUTHOR, "as app", ENTER_WITH_KEY.format("k_acme"), NAMES], [("abe shared ann shared",)]),
    superuser(
        [
            *AUTHOR,
            "SELECT tenancy.define_permission('things.change', ARRAY['user'])",
            "SELECT tenancy.define_permission('things.moderate', ARRAY['user'])",
            "as app",
            ENTER_WITH_KEY.format("k_acme"),
            "DELETE FROM public.things",
        ],
        "person_required",
    ),
    superuser(
        [
            *AUTHOR,
            "SELECT tenancy.define_permission('things.change', ARRAY['user'])",
            "SELECT tenancy.define_permission('things.moderate', ARRAY['user'])",
            "ALTER TABLE public.things DISABLE TRIGGER USER",
            "as app",
            ENTER_WITH_KEY.format("k_acme"),
            ONE.format("DELETE FROM public.things RETURNING 1"),
        ],
        [(0,)],
    ),
    superuser(
        [
            *AUTHOR,
            "GRANT INSERT (author) ON public.things TO tenancy_credentialed",
            *_as("ann acme", "INSERT INTO public.things (author, shared) VALUES ('{abe}', true)"),
        ],
        "42501",
    ),
    # What the policies do alone.
    *(
        superuser(
            [
                *SHAPES[shape],
                "ALTER TABLE public.things DISABLE TRIGGER USER",
                *_as(who, ONE.format(f"{statement} RETURNING 1")),
            ],
            [(0,)],
        )
        for shape, who in (
            ("tenant", "uma acme"),
            ("author", "uma acme"),
            ("catalogue", "uma acme"),
            ("catalogue", "ann None"),
        )
        for statement in ("UPDATE public.things SET name = 'x'", "DELETE FROM public.things")
    ),
    *(
        superuser(
            [
                *SHAPES[shape],
                "ALTER TABLE public.things DISABLE TRIGGER USER",
                *_as(who, "INSERT INTO public.things (name) VALUES ('x')"),
            ],
            "42501",
        )
        for shape, who in (
            ("tenant", "uma acme"),
            ("author", "uma acme"),
            ("catalogue", "uma acme"),
            ("catalogue", "ann None"),
        )
    ),
    superuser(
        [
            *TENANT,
            "ALTER TABLE public.things DISABLE TRIGGER USER",
            "as app",
            ENTER_WITH_KEY.format("k_ann"),
            ONE.format("DELETE FROM public.things RETURNING 1"),
        ],
        [(0,)],
    ),
    # The floor, whatever is added to it, and with forged contexts.
    *(
        superuser(
            [
                *SHAPES[shape],
                "CREATE POLICY wide ON public.things TO tenancy_credentialed USING (true) WITH CHECK (true)",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON public.things TO tenancy_credentialed",
                "ALTER TABLE public.things DISABLE TRIGGER USER",
                *statements,
            ],
            answer,
        )
        for shape, seen in (("tenant", "acme"), ("catalogue", "acme before"))
        for statements, answer in (
            (_as("ann acme", NAMES), [(seen,)]),
            (_as("ann acme", "UPDATE public.things SET workspace_id = '{bulk}'"), "42501"),
            (_as("ann acme", "INSERT INTO public.things (workspace_id) VALUES ('{bulk}')"), "42501"),
            (_as("ann acme", "INSERT INTO public.things (workspace_id) VALUES (NULL)"), "42501"),
            (_as("ann acme", ONE.format("UPDATE public.things SET name = 'x' RETURNING 1")), [(1,)]),
            (_as("ann acme", ONE.format("DELETE FROM public.things RETURNING 1")), [(1,)]),
            (["as app", *FORGED, "INSERT INTO public.things (workspace_id) VALUES ('{acme}')"], "invalid_context"),
            (["as app", *FORGED, "UPDATE public.things SET name = 'x'"], "invalid_context"),
            (["as app", *FORGED, "DELETE FROM public.things"], "invalid_context"),
        )
    ),
    # Floors also apply to commands that were not allowed.
    *(
        superuser(
            [
                *THINGS,
                f"CALL tenancy.protect('public.things'{shape})",
                OF_EACH,
                "CREATE POLICY wide ON public.things TO tenancy_credentialed USING (true) WITH CHECK (true)",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON public.things TO tenancy_credentialed",
                "ALTER TABLE public.things DISABLE TRIGGER USER",
                *statements,
            ],
            answer,
        )
        for shape, seen in (("", "acme"), (", catalogue => true", "acme before"))
        for statements, answer in (
            (_as("ann acme", NAMES), [(seen,)]),
            (_as("ann acme", "INSERT INTO public.things (workspace_id) VALUES ('{bulk}')"), "42501"),
            (_as("ann acme", f"INSERT INTO public.things (workspace_id) VALUES ('{NIL}')"), "42501"),
            (_as("ann acme", ONE.format("UPDATE public.things SET name = 'x' RETURNING 1")), [(1,)]),
            (_as("ann acme", ONE.format("DELETE FROM public.things RETURNING 1")), [(1,)]),
        )
    ),
    # A revoked permission stays revoked whatever is added, in all shapes and without any trigger.
    *(
        superuser(
            [
                *SHAPES[shape],
                "CREATE POLICY wide ON public.things TO tenancy_credentialed USING (true) WITH CHECK (true)",
                "ALTER TABLE public.things DISABLE TRIGGER USER",
                *before,
                *_as("uma acme", statement),
            ],
            answer,
        )
        for shape in SHAPES
        for before, statement, answer in (
            (["DELETE FROM tenancy.role_permissions WHERE permission = 'things.view'"], NAMES, [(None,)]),
            ([], "INSERT INTO public.things (name) VALUES ('x')", "42501"),
            ([], ONE.format("UPDATE public.things SET name = 'x' RETURNING 1"), [(0,)]),
            ([], ONE.format("DELETE FROM public.things RETURNING 1"), [(0,)]),
        )
    ),
    # An error that needs no row.
    *(
        superuser([*SHAPES[shape], "TRUNCATE public.things", "as app", "SELECT id FROM public.things"], "no_context")
        for shape in SHAPES
    ),
    # a child
    superuser(
        [*TENANT, *CHILD, *_as("uma acme", "SELECT string_agg(name, ' ') FROM public.parts")],
        [("acme",)],
    ),
    superuser(
        [
            *TENANT,
            *CHILD,
            "SELECT count(*) FROM public.parts AS p JOIN public.things AS t ON p.thing_id = t.id"
            " WHERE p.workspace_id <> t.workspace_id",
        ],
        [(0,)],
    ),
    *(
        superuser(
            [
                *TENANT,
                *CHILD,
                f"SELECT set_config('test.id', (SELECT id::text FROM public.things WHERE name = '{thing}'), true)",
                *_as(
                    "ann acme",
                    "INSERT INTO public.parts (name, thing_id) VALUES ('new', current_setting('test.id')::uuid)",
                    "SELECT 1",
                ),
            ],
            answer,
        )
        for thing, answer in (
            ("acme", [(1,)]),
            ("bulk", "parts_tenancy_thing_id_fkey"),
            ("before", "parts_tenancy_thing_id_fkey"),
        )
    ),
    superuser(
        [*TENANT, *CHILD, *_as("ann acme", "INSERT INTO public.parts (thing_id) VALUES ('{nobody}')")],
        "parts_tenancy_thing_id_fkey",
    ),
    *(
        superuser(
            [
                *TENANT,
                *CHILD,
                login,
                "INSERT INTO public.parts (name, thing_id) SELECT 'new', id FROM public.things WHERE name = 'bulk'",
                "SELECT workspace_id::text FROM public.parts WHERE name = 'new'",
            ],
            [("{bulk}",)],
        )
        for login in ("as service", "as None")
    ),
    superuser(
        [
            *TENANT,
            *CHILD,
            "as service",
            "INSERT INTO public.parts (name) VALUES ('new')",
            "UPDATE public.things SET workspace_id = '{duo}' WHERE name = 'acme'",
            "SELECT workspace_id::text FROM public.parts WHERE name IN ('acme', 'new') ORDER BY name",
        ],
        [("{duo}",), (NIL,)],
    ),
    superuser(
        [*TENANT, *CHILD, "DELETE FROM public.things", "SELECT count(*) FROM public.parts"],
        [(0,)],
    ),
    superuser(
        [*TENANT, "DELETE FROM tenancy.workspaces WHERE id = '{acme}'", NAMES],
        [("ann before bulk olga",)],
    ),
    # what everybody reads
    superuser([*PUBLISHED, "as app", NAMES], "no_context"),
    superuser([*PUBLISHED, "as app", *FORGED, NAMES], "invalid_context"),
    *(superuser([*PUBLISHED, *_as(who, NAMES)], [("before",)]) for who in ("uma acme", "ann None", "sam platform")),
    superuser([*PUBLISHED, *_as("ann acme", "SELECT secret FROM public.things")], "42501"),
    superuser([*PUBLISHED, *_as("ann acme", "UPDATE public.things SET name = 'x'")], "42501"),
    superuser(
        [*PUBLISHED, "as service", "UPDATE public.things SET name = 'x', secret = secret WHERE id IS NOT NULL", NAMES],
        [("x",)],
    ),
    # Earlier grants do not bypass it.
    *(
        superuser(
            [
                *THINGS,
                "GRANT ALL ON public.things TO PUBLIC, tenancy_app, tenancy_credentialed, tenancy_auditor",
                "GRANT SELECT (secret) ON public.things TO tenancy_app",
                call,
                "SELECT r FROM unnest(ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_auditor']) AS r"
                " WHERE has_column_privilege(r, 'public.things', 'secret', 'SELECT')"
                " OR has_table_privilege(r, 'public.things', 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')",
            ],
            [],
        )
        for call in ("CALL tenancy.protect('public.things')", "CALL tenancy.publish('public.things', 'id')")
    ),
    # Protecting it again has the same result as the first time.
    superuser(
        [
            *TENANT,
            "GRANT UPDATE ON public.things TO tenancy_app",
            "CREATE POLICY wide ON public.things USING (true)",
            "CALL tenancy.protect('public.things')",
            *_as("ann acme", "SELECT string_agg(id::text, ' ') FROM public.things"),
        ],
        "42501",
    ),
    superuser(
        [
            *TENANT,
            "CALL tenancy.protect('public.things')",
            *_as("ann acme", "SELECT count(workspace_id) FROM public.things"),
        ],
        [(0,)],
    ),
    # what is refused
    *(
        superuser([*THINGS, f"CALL tenancy.protect({arguments})"], error)
        for arguments, error in (
            ("'pg_catalog.pg_class'", "table_not_protectable"),
            ("'public.things_pkey'", "table_not_protectable"),
            ("'tenancy_private.seal_keys'", "table_not_protectable"),
            ("'public.things', key => 'owner'", "column_missing"),
            ("'public.things', key => 'name'", "column_type_invalid"),
            ("'public.things', author => 'owner'", "column_missing"),
            ("'public.things', author => 'name'", "column_type_invalid"),
            ("'public.things', author => 'id', shared => 'name'", "column_type_invalid"),
            ("'public.things', shared => 'name'", "shape_invalid"),
            ("'public.things', author => 'id', catalogue => true", "shape_invalid"),
            ("'public.things', people => 'members'", "shape_invalid"),
            ("'public.things', key => 'id', catalogue => true", "shape_invalid"),
            ("'public.things', parent => 'id'", "parent_not_protected"),
        )
    ),
    # A parent whose key does not have the workspace, for a table that is protected already.
    *(
        superuser(
            [
                *TENANT,
                "CREATE UNIQUE INDEX ON public.things (id, name)",
                "CREATE UNIQUE INDEX ON public.things (workspace_id, id, name)",
                "CREATE TABLE public.parts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, thing_id uuid)",
                "CALL tenancy.protect('public.parts')",
                f"ALTER TABLE public.parts ADD FOREIGN KEY ({key}) REFERENCES {referred}",
                "CALL tenancy.protect('public.parts', parent => 'thing_id')",
                "SELECT 1",
            ],
            answer,
        )
        for key, referred, answer in (
            ("workspace_id, thing_id", "public.things (workspace_id, id)", [(1,)]),
            ("workspace_id, id", "public.things (workspace_id, id)", "parent_not_protected"),
            ("thing_id, name", "public.things (id, name)", "parent_not_protected"),
            ("workspace_id, thing_id, name", "public.things (workspace_id, id, name)", "parent_not_protected"),
        )
    ),
    *(
        superuser([*THINGS, *statements, "CALL tenancy.protect('public.things')"], error)
        for statements, error in (
            (["CREATE POLICY own ON public.things USING (true)"], "table_has_policies"),
            (["CREATE TABLE public.more () INHERITS (public.things)"], "table_not_protectable"),
            (["DROP TABLE public.things", "CREATE VIEW public.things AS SELECT 1 AS id"], "table_not_protectable"),
            (["DROP TABLE public.things", "CREATE TEMPORARY TABLE things ()", "SET search_path = pg_temp"], "42P01"),
        )
    ),
    *(
        superuser(
            [*THINGS, "CALL tenancy.protect('public.things')", f"CALL tenancy.allow('public.things', {arguments})"],
            error,
        )
        for arguments, error in (
            ("'TRUNCATE', 'things.view'", "command_invalid"),
            ("NULL, 'things.view', columns => 'name'", "command_invalid"),
            ("'SELECT', 'things.other', columns => 'name'", "permission_invalid"),
            ("'UPDATE', NULL, columns => 'name'", "permission_invalid"),
            ("'DELETE', NULL", "permission_invalid"),
            ("'SELECT', 'things.view'", "columns_required"),
            ("'UPDATE', 'things.view'", "columns_required"),
            ("'SELECT', 'things.view', columns => 'color'", "column_missing"),
            ("'UPDATE', 'things.view', columns => 'name, workspace_id'", "columns_invalid"),
            ("'INSERT', 'things.view', columns => 'workspace_id'", "columns_invalid"),
            ("'SELECT', 'things.view', columns => 'name', \"for\" => 'persons'", "workspace_invalid"),
        )
    ),
    superuser([*TENANT, ALLOW.format("SELECT", "things.view", "secret")], "command_allowed"),
    superuser([*THINGS, ALLOW.format("SELECT", "things.view", "name")], "table_not_protected"),
    superuser([*THINGS, "CALL tenancy.unprotect('public.things')"], "table_not_protected"),
    superuser([*THINGS, "CALL tenancy.publish('public.things', 'color')"], "column_missing"),
    *(
        superuser(
            [
                *THINGS,
                "CREATE TABLE public.numbers (name text, number integer)",
                shared,
                "CALL tenancy.protect('public.numbers')",
                "CALL tenancy.allow('public.numbers', 'INSERT', 'things.change', columns => 'number, name')",
            ],
            "columns_invalid",
        )
        for shared in (
            "ALTER TABLE public.numbers ADD PRIMARY KEY (number)",
            "CREATE UNIQUE INDEX i ON public.numbers ((number + 1))",
            "ALTER TABLE public.numbers ADD EXCLUDE USING btree (number WITH =)",
        )
    ),
    # Numbers beside a uuid, or in no unique key, are not shared, and texts are no numbers.
    superuser(
        [
            *THINGS,
            "CREATE TABLE public.numbers (id uuid, number integer, weight integer, name text UNIQUE,"
            " UNIQUE (id, number))",
            "CREATE INDEX i ON public.numbers (weight)",
            "CALL tenancy.protect('public.numbers')",
            "CALL tenancy.allow('public.numbers', 'INSERT', 'things.change', columns => 'id, number, weight, name')",
            "SELECT 1",
        ],
        [(1,)],
    ),
    superuser(
        [
            *THINGS,
            "CREATE TABLE public.numbers (id serial PRIMARY KEY, name text)",
            "CALL tenancy.protect('public.numbers')",
            "CALL tenancy.allow('public.numbers', 'INSERT', 'things.change', columns => 'name')",
            *_as("ann acme", "INSERT INTO public.numbers (name) VALUES ('x')", "SELECT 1"),
        ],
        [(1,)],
    ),
    superuser(
        [
            *TENANT,
            "DROP INDEX public.things_tenancy_key",
            "CREATE TABLE public.parts (id uuid, thing_id uuid REFERENCES public.things (id))",
            "CREATE INDEX i ON public.things (workspace_id, id)",
            "CALL tenancy.protect('public.parts', parent => 'thing_id')",
        ],
        "parent_key_missing",
    ),
    # References to rows of tenants include their workspace.
    *(
        superuser(
            [
                *TENANT,
                f"CREATE TABLE public.parts (id uuid PRIMARY KEY, thing_id uuid, {key})",
                "CALL tenancy.protect('public.parts')",
                *more,
                f"CALL tenancy.allow('public.parts', '{command}', 'things.change', columns => '{columns}')",
                "SELECT 1",
            ],
            answer,
        )
        for key, more, command, columns, answer in (
            (
                "FOREIGN KEY (thing_id) REFERENCES public.things (id)",
                [],
                "INSERT",
                "thing_id",
                "reference_not_isolated",
            ),
            (
                "FOREIGN KEY (thing_id) REFERENCES public.things (id)",
                [],
                "UPDATE",
                "thing_id",
                "reference_not_isolated",
            ),
            ("FOREIGN KEY (thing_id) REFERENCES public.things (id)", [], "INSERT", "id", [(1,)]),
            ("FOREIGN KEY (thing_id) REFERENCES public.users (id)", [], "INSERT", "thing_id", [(1,)]),
            ("FOREIGN KEY (thing_id) REFERENCES tenancy.workspaces (id)", [], "INSERT", "thing_id", [(1,)]),
            (
                TO_THINGS,
                [
                    "ALTER TABLE public.parts ADD FOREIGN KEY (workspace_id, thing_id)"
                    " REFERENCES public.things (workspace_id, id)"
                ],
                "INSERT",
                "thing_id",
                "reference_not_isolated",
            ),
        )
    ),
    # Keys of several columns, and of one that another column's key does not isolate.
    *(
        superuser(
            [
                *TENANT,
                "CREATE UNIQUE INDEX ON public.things (name, id)",
                "CREATE TABLE public.parts (id uuid PRIMARY KEY, thing_id uuid, thing_name text,"
                " FOREIGN KEY (thing_name, thing_id) REFERENCES public.things (name, id))",
                "CALL tenancy.protect('public.parts')",
                f"CALL tenancy.allow('public.parts', 'INSERT', 'things.change', columns => '{columns}')",
                "SELECT 1",
            ],
            answer,
        )
        for columns, answer in (("thing_id", "reference_not_isolated"), ("id", [(1,)]))
    ),
    # A table and a column that are renamed: what is there is found again, and named as it is called now.
    superuser(
        [
            *TENANT,
            *CHILD,
            *RENAMED,
            "CALL tenancy.protect('public.items')",
            "CALL tenancy.protect('public.pieces', parent => 'item_id')",
            "SELECT (SELECT count(*) FROM tenancy_private.adopted_parts"
            " WHERE table_name = 'public.pieces'::regclass AND kind IN ('index', 'constraint')),"
            " (SELECT substring(pg_get_triggerdef(oid) FROM 'set_child_workspace.*') FROM pg_trigger"
            " WHERE tgrelid = 'public.pieces'::regclass AND tgname LIKE '%workspace')",
        ],
        [(4, "set_child_workspace('public.items', 'workspace_id', 'id', 'item_id')")],
    ),
    superuser(
        [
            *TENANT,
            *CHILD,
            *RENAMED,
            "CALL tenancy.unprotect('public.pieces')",
            "SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint"
            " WHERE conrelid = 'public.pieces'::regclass AND contype = 'f'",
        ],
        [("FOREIGN KEY (item_id) REFERENCES items(id) ON DELETE CASCADE",)],
    ),
    superuser(
        [
            *AUTHOR,
            "ALTER TABLE public.things RENAME author TO writer",
            "CALL tenancy.unprotect('public.things')",
            "SELECT count(*) FROM pg_attrdef WHERE adrelid = 'public.things'::regclass"
            " AND pg_get_expr(adbin, adrelid) LIKE 'tenancy%'",
        ],
        [(0,)],
    ),
    # Functions read a parent for its children, and a table to which tenants add rows.
    *(
        superuser(
            [
                *THINGS,
                "CALL tenancy.protect('public.things')",
                *CHILD[:3],
                *more,
                "CALL tenancy.unprotect('public.parts')",
                "SELECT has_table_privilege('tenancy_owner', 'public.things', 'SELECT')",
            ],
            [(answer,)],
        )
        for more, answer in (
            ([], False),
            ([ALLOW.format("INSERT", "things.change", "name")], True),
            (
                [
                    "CREATE TABLE public.pieces (id uuid PRIMARY KEY, thing_id uuid REFERENCES public.things (id))",
                    "CALL tenancy.protect('public.pieces', parent => 'thing_id')",
                ],
                True,
            ),
        )
    ),
    # A table that refers to itself.
    superuser(
        [
            *TENANT,
            *TREE,
            "UPDATE public.levels SET workspace_id = '{acme}' WHERE part_of IS NULL",
            "CALL tenancy.unprotect('public.levels')",
            "CALL tenancy.protect('public.levels', parent => 'part_of')",
            "SELECT count(*) FROM public.levels WHERE workspace_id = '{acme}'",
        ],
        [(3,)],
    ),
    superuser([*TENANT, *TREE[:2], BEGIN_TREE], "table_not_protectable"),
    # A row that is its own parent is assigned, and kept.
    superuser(
        [
            TREE[0],
            "INSERT INTO public.levels VALUES (1, 1), (2, 1)",
            TREE[2],
            "SELECT tenancy.assign('public.levels', '{acme}', 'id = 1')",
            "CALL tenancy.unprotect('public.levels')",
            TREE[2],
            "SELECT count(*) FROM public.levels WHERE workspace_id = '{acme}'",
        ],
        [(2,)],
    ),
    # It would be nobody's.
    superuser(
        [
            *TREE,
            "SELECT tenancy.assign('public.levels', '{acme}', 'id = 1')",
            "CALL tenancy.unprotect('public.levels')",
            "INSERT INTO public.levels VALUES (4, 3)",
            "UPDATE public.levels SET part_of = 4 WHERE id = 1",
            TREE[2],
        ],
        "rows_in_a_circle",
    ),
    # What the application has built on workspace_id.
    *(
        superuser([*TENANT, built, "CALL tenancy.unprotect('public.things')"], "application_needs_tenancy")
        for built in (
            "CREATE VIEW public.mine AS SELECT workspace_id FROM public.things",
            "CREATE TABLE public.kinds (workspace_id uuid, id uuid, UNIQUE (workspace_id, id));"
            " ALTER TABLE public.things ADD kind uuid,"
            " ADD FOREIGN KEY (workspace_id, kind) REFERENCES public.kinds (workspace_id, id)",
        )
    ),
    # A partition with its own grants.
    *(
        superuser(
            [
                *PARTITIONED,
                f"GRANT SELECT {columns} ON public.events_1 TO {grantee}",
                "CALL tenancy.protect('public.events')",
                "SELECT 1",
            ],
            answer,
        )
        for columns, grantee, answer in (
            ("", "PUBLIC", "partition_open"),
            ("", "tenancy_app", "partition_open"),
            ("(id)", "tenancy_credentialed", "partition_open"),
            ("", "tenancy_service", [(1,)]),
        )
    ),
    superuser([*PARTITIONED, "CALL tenancy.protect('public.events_1')"], "table_not_protectable"),
    # The beginning online: nothing reads a row, and it is done once.
    superuser([*ONLINE, PARTS], BEGUN),
    superuser([*ONLINE, BEGIN_ONLINE, PARTS], BEGUN),
    # Owners that unprotect() kept are restored in a separate step.
    superuser(
        [
            *TENANT,
            "CALL tenancy.unprotect('public.things')",
            "CALL tenancy_private.adopt_table('public.things', NULL, NULL, online => true)",
            "SELECT count(*) FROM public.things WHERE workspace_id <> '00000000-0000-0000-0000-000000000000'",
        ],
        [(0,)],
    ),
    # A range of blocks at a time; rows in their right workspace stay unchanged.
    superuser(
        [
            *ONLINE,
            *(
                "SELECT "
                + MOVED.format(f"tenancy_private.move_to_parents('public.parts', 'thing_id', {first}, {following})")
                for first, following in ((1, 9), (0, 0), (0, 1), (0, 1))
            ),
            "SELECT current_setting('test.moved'), (SELECT count(*) FROM public.parts AS p"
            " INNER JOIN public.things AS t ON p.thing_id = t.id WHERE p.workspace_id <> t.workspace_id)",
        ],
        [("0 0 4 0", 0)],
    ),
    # Finished in one transaction, with the existing parts.
    *(
        superuser([*ONLINE, *more, END_AT_ONCE, PARTS], ENDED)
        for more in ([], ["CREATE UNIQUE INDEX parts_tenancy_key ON public.parts (workspace_id, id)"])
    ),
    # Undone; children need no archive.
    superuser(
        [
            *TENANT,
            *CHILD[:2],
            "CREATE ROLE pgt_old LOGIN",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON public.parts TO pgt_old",
            "CALL tenancy_private.keep_legacy_logins(ARRAY['public.parts'::regclass], true)",
            BEGIN_ONLINE,
            "SELECT tenancy_private.move_to_parents('public.parts', 'thing_id')",
            "CALL tenancy.unprotect('public.parts')",
            "SELECT (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attname = 'workspace_id'),"
            " (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal),"
            " (SELECT string_agg(conname, ' ') FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f'),"
            " (SELECT count(*) FROM tenancy_private.wanted_indexes WHERE table_name = c.oid),"
            " (SELECT count(*) FROM tenancy_private.adopted_parts WHERE table_name = c.oid),"
            " (SELECT count(*) FROM tenancy_private.legacy_logins WHERE role = 'pgt_old'),"
            " to_regclass('tenancy_archive.public_parts_workspaces')::text"
            " FROM pg_class AS c WHERE c.oid = 'public.parts'::regclass",
        ],
        [(0, 0, "parts_thing_id_fkey", 0, 0, 0, None)],
    ),
    # A schema of the application is opened, and closed again.
    *(
        superuser(
            [
                "CREATE SCHEMA apart",
                *(f"CREATE TABLE apart.{table} (id uuid PRIMARY KEY)" for table in ("one", "two")),
                "CALL tenancy.protect('apart.one')",
                "CALL tenancy.protect('apart.two')",
                *(f"CALL tenancy.unprotect('apart.{table}')" for table in back),
                "SELECT count(*) FROM unnest(ARRAY['tenancy_app', 'tenancy_service', 'tenancy_auditor']) AS r"
                " WHERE has_schema_privilege(r, 'apart', 'USAGE')",
            ],
            [(count,)],
        )
        for back, count in (((), 3), (("one",), 3), (("one", "two"), 0))
    ),
    # It is renamed, or the table moves to another one.
    *(
        superuser(
            [
                "CREATE SCHEMA apart",
                "CREATE TABLE apart.one (id uuid PRIMARY KEY)",
                "CALL tenancy.protect('apart.one')",
                *statements,
                "SELECT string_agg(DISTINCT n.nspname, ' ' ORDER BY n.nspname) FROM pg_namespace AS n"
                " CROSS JOIN unnest(ARRAY['tenancy_app', 'tenancy_service', 'tenancy_auditor']) AS r"
                " WHERE n.nspname IN ('apart', 'away') AND has_schema_privilege(r, n.oid, 'USAGE')",
            ],
            [(open_schemas,)],
        )
        for statements, open_schemas in (
            *(
                (
                    [
                        "ALTER SCHEMA apart RENAME TO away",
                        "CREATE TABLE away.two (id uuid PRIMARY KEY)",
                        "CALL tenancy.protect('away.two')",
                        f"CALL tenancy.unprotect('away.{back}')",
                    ],
                    "away",
                )
                for back in ("one", "two")
            ),
            (["CREATE SCHEMA away", *MOVED_AWAY], "away"),
            (["CREATE SCHEMA away", *MOVED_AWAY, "CALL tenancy.unprotect('away.one')"], None),
            (
                [
                    "CREATE TABLE apart.two (id uuid PRIMARY KEY)",
                    "CALL tenancy.protect('apart.two')",
                    "CREATE SCHEMA away",
                    *MOVED_AWAY,
                ],
                "apart away",
            ),
        )
    ),
    superuser([*THINGS, "CALL tenancy.protect('public.things', key => 'id')", "SELECT 1"], [(1,)]),
    superuser(
        [
            *THINGS,
            "CREATE TABLE public.owned (organization_id uuid NOT NULL, name text)",
            "CALL tenancy.protect('public.owned', key => 'organization_id')",
            "CALL tenancy.allow('public.owned', 'INSERT', 'things.change', columns => 'name')",
            *_as("ann acme", "INSERT INTO public.owned (name) VALUES ('x')"),
            "as None",
            "SELECT organization_id::text FROM public.owned",
        ],
        [("{acme}",)],
    ),
    # The columns that a client may name.
    ("app", "uma", "acme", "SELECT * FROM tenancy.writable_columns('public.api_keys')", [("name", False, True)]),
    ("app", None, None, "SELECT count(*) FROM tenancy.writable_columns('public.users')", [(0,)]),
    # A dropped table.
    superuser(
        [
            *TENANT,
            "SELECT set_config('test.oid', 'public.things'::regclass::oid::text, true)",
            "DROP TABLE public.things",
            "DO $$ BEGIN EXECUTE format('CALL tenancy.unprotect(%s)', current_setting('test.oid')); END $$",
            "SELECT (SELECT count(*) FROM tenancy_private.contracts AS c"
            " WHERE c.table_name::oid = current_setting('test.oid')::oid),"
            " (SELECT count(*) FROM tenancy_private.adopted_parts AS c"
            " WHERE c.table_name::oid = current_setting('test.oid')::oid),"
            " (SELECT count(*) FROM tenancy_private.closed_tables AS c"
            " WHERE c.table_name::oid = current_setting('test.oid')::oid)",
        ],
        [(0, 0, 0)],
    ),
    superuser([*THINGS, "CALL tenancy_private.verify_protected('public.things')"], "contract_broken"),
    # Unique keys that the application adds later.
    superuser([*TENANT, VERIFY_KEYS, UNCHECKED], [(0,)]),
    # Its only key is always new.
    superuser([*TENANT, "SELECT tenancy_private.key_checks('public.things')"], [(None,)]),
    superuser([*TENANT, UNIQUE, VERIFY_KEYS], "keys_unchecked"),
    superuser([*TENANT, UNIQUE, UNCHECKED.replace("()", "('public.models')")], [(0,)]),
    superuser([*TENANT, UNIQUE.replace("name", "workspace_id, name"), UNCHECKED], [(0,)]),
    superuser([*TENANT, UNIQUE, "CALL tenancy_private.set_key_trigger('public.things')", UNCHECKED], [(0,)]),
    # An expression that is evaluated only for the rows of its index.
    *(
        superuser(
            [
                *TENANT,
                "CREATE UNIQUE INDEX ON public.things ((name::integer))"
                r" WHERE (length(lower(regexp_replace(name, '\D', '', 'g'))) = length(name))",
                SET_KEY_TRIGGER,
                *(f"SET LOCAL enable_{way} = off" for way in ("indexscan", "bitmapscan", "indexonlyscan")),
                *_as("ann acme", f"INSERT INTO public.things (name) VALUES ('{name}')"),
                "SELECT 1",
            ],
            [(1,)],
        )
        for name in ("12", "x")
    ),
    # Settings that decide how the columns of a key are written.
    *(
        superuser(
            [*TENANT, CONSTANTS, SET_KEY_TRIGGER, f"SET LOCAL {setting}", *_as("ann acme", TAKEN), "SELECT 1"],
            "constants",
        )
        for setting in SETTINGS
    ),
    *(
        superuser(
            [
                *TENANT,
                CONSTANTS,
                f"SET LOCAL {setting}",
                SET_KEY_TRIGGER,
                f"SET LOCAL {setting.split(' ')[0]} TO DEFAULT",
                UNCHECKED,
            ],
            [(0,)],
        )
        for setting in SETTINGS
    ),
    # A contract without an allow() is compared too.
    superuser(
        [
            *THINGS,
            "CALL tenancy.protect('public.things')",
            "DROP POLICY things_tenant ON public.things",
            "SELECT problem FROM tenancy_private.broken_contracts('public.things')",
        ],
        [("policy things_tenant is missing",)],
    ),
    # Foreign keys that the application adds later.
    superuser([*TENANT, *LATER_KEY[:-1], VERIFY_REFERENCES, OPEN_REFERENCES], [(0,)]),
    superuser([*TENANT, *LATER_KEY, OPEN_REFERENCES.replace("()", "('public.parts')")], [(1,)]),
    superuser([*TENANT, *LATER_KEY, OPEN_REFERENCES.replace("()", "('public.things')")], [(0,)]),
    superuser([*TENANT, *LATER_KEY, VERIFY_REFERENCES], "references_open"),
    superuser([*TENANT, *CHILD, OPEN_REFERENCES], [(0,)]),
    superuser(
        [*TENANT, *CHILD, "ALTER TABLE public.parts DROP CONSTRAINT parts_tenancy_thing_id_fkey", OPEN_REFERENCES],
        [(1,)],
    ),
    # A table that is renamed.
    superuser(
        [
            *TENANT,
            UNIQUE,
            "CALL tenancy_private.set_key_trigger('public.things')",
            "ALTER TABLE public.things RENAME TO items",
            "CALL tenancy_private.set_key_trigger('public.items')",
            "CALL tenancy_private.set_permission_trigger('public.items')",
            "SELECT string_agg(tgname, ' ' ORDER BY tgname) FROM pg_trigger"
            " WHERE tgrelid = 'public.items'::regclass AND NOT tgisinternal",
        ],
        [("items_tenancy_permission zzz_items_tenancy_taken",)],
    ),
    superuser(
        [
            *TENANT,
            "ALTER TABLE public.things RENAME TO items",
            "SELECT problem FROM tenancy_private.broken_contracts('public.items')",
        ],
        [("the table was called public.things: run its contract again, protect() and allow()",)],
    ),
    # Nothing is left when the table is open again.
    superuser(
        [
            *TENANT,
            UNIQUE,
            "CALL tenancy_private.set_key_trigger('public.things')",
            "CALL tenancy.unprotect('public.things')",
            "SELECT array(SELECT tgname FROM pg_trigger WHERE tgrelid = 'public.things'::regclass AND NOT tgisinternal)"
            " || array(SELECT proname FROM pg_proc WHERE proname LIKE 'things%')",
        ],
        [([],)],
    ),
    superuser(
        [
            *TENANT,
            "DROP POLICY things_tenant ON public.things",
            "CALL tenancy_private.verify_protected('public.things')",
        ],
        "contract_broken",
    ),
    superuser([*TENANT, "CALL tenancy_private.verify_protected('public.things')", "SELECT 1"], [(1,)]),
    # and back
    superuser([*TENANT, *CHILD, "CALL tenancy.unprotect('public.things')"], "children_protected"),
    *(
        superuser(
            [
                *tables,
                "CALL tenancy.unprotect('public.things')",
                "SELECT c.relrowsecurity, c.relforcerowsecurity,"
                " (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid),"
                " (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal),"
                " (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attname = 'workspace_id'),"
                " has_any_column_privilege('tenancy_app', c.oid, 'SELECT, INSERT, UPDATE'),"
                " has_any_column_privilege('tenancy_auditor', c.oid, 'SELECT'),"
                " (SELECT count(*) FROM tenancy_private.contracts WHERE table_name = c.oid),"
                " (SELECT count(*) FROM tenancy_private.adopted_parts WHERE table_name = c.oid)"
                " FROM pg_class AS c WHERE c.oid = 'public.things'::regclass",
            ],
            [(False, False, 0, 0, 0, False, False, 0, 0)],
        )
        for tables in (TENANT, AUTHOR, CATALOGUE, PUBLISHED)
    ),
    superuser(
        [
            *THINGS,
            "ALTER TABLE public.things ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            "GRANT SELECT ON public.things TO PUBLIC",
            "CALL tenancy.protect('public.things')",
            "CALL tenancy.unprotect('public.things')",
            "SELECT relrowsecurity, relforcerowsecurity, has_table_privilege('tenancy_auditor', oid, 'SELECT')"
            " FROM pg_class WHERE oid = 'public.things'::regclass",
        ],
        [(True, True, True)],
    ),
    superuser(
        [
            *TENANT,
            "CALL tenancy.unprotect('public.things')",
            "CALL tenancy.protect('public.things')",
            "SELECT string_agg(name, ' ' ORDER BY name), to_regclass('tenancy_archive.public_things_workspaces')::text"
            " FROM public.things WHERE workspace_id = '{acme}'",
        ],
        [("acme", None)],
    ),
    superuser(
        [
            *TENANT,
            "CALL tenancy.unprotect('public.things')",
            "DELETE FROM public.organizations WHERE id = '{bulk}'",
            "CALL tenancy.protect('public.things')",
        ],
        "ownership_returns",
    ),
    superuser(
        [*TENANT, "ALTER TABLE public.things DROP CONSTRAINT things_pkey", "CALL tenancy.unprotect('public.things')"],
        "primary_key_required",
    ),
    superuser(
        [
            *TENANT,
            "ALTER TABLE public.things DROP CONSTRAINT things_pkey, ADD PRIMARY KEY (workspace_id, id)",
            "CALL tenancy.unprotect('public.things')",
        ],
        "primary_key_required",
    ),
    superuser(
        [
            "CALL tenancy_private.revise('tenancy.permissions')",
            "CALL tenancy.unprotect('tenancy.permissions')",
            "SELECT has_any_column_privilege('tenancy_app', 'tenancy.permissions', 'SELECT'), string_agg(polname, ' ')"
            " FROM pg_policy WHERE polrelid = 'tenancy.permissions'::regclass",
        ],
        [(False, "permissions_owner")],
    ),
    superuser([REVISED, "CALL tenancy.protect('public.users', key => 'id', people => 'all')"], "shape_invalid"),
    # A change of pg-tenancy may do this only to its own tables.
    superuser([REVISED, "CALL tenancy.unprotect('public.instances')"], "table_shipped"),
    superuser(
        ["CREATE TABLE tenancy.things (id uuid)", "CALL tenancy.publish('tenancy.things', columns => 'id')"],
        "table_shipped",
    ),
    # Only pg-tenancy's changes protect its tables, in any schema.
    *(
        superuser([call], "table_shipped")
        for table in ("public.users", "tenancy.permissions", "tenancy.workspaces")
        for call in (
            f"CALL tenancy.protect('{table}')",
            f"CALL tenancy.allow('{table}', 'DELETE', 'audit.view')",
            f"CALL tenancy.publish('{table}', 'id')",
            f"CALL tenancy.unprotect('{table}')",
        )
    ),
    # Nobody but a DBA decides what is protected.
    *(
        ("app", "ann", "acme", f"{call}", "42501")
        for call in (
            "CALL tenancy.protect('public.models')",
            "CALL tenancy.allow('public.models', 'DELETE', 'models.delete')",
            "CALL tenancy.unprotect('public.models')",
            "CALL tenancy.publish('public.models', 'name')",
            "SELECT tenancy.define_permission('x.y')",
        )
    ),
    # people => 'self': only the own account, before phase 7.
    *(
        superuser(
            [
                REVISED,
                "CALL tenancy.protect('public.users', key => 'id', people => 'self')",
                "CALL tenancy.allow('public.users', 'SELECT', NULL, columns => 'id, username')",
                *statements,
                "SELECT username FROM public.users",
            ],
            answer,
        )
        for statements, answer in (
            (_as("ann acme"), [("ann",)]),
            (_as("ann None"), [("ann",)]),
            (_as("sam platform"), [("sam",)]),
            (["as app"], "no_context"),
            (["as app", *FORGED], "invalid_context"),
            (
                ["CREATE POLICY wide ON public.users TO tenancy_credentialed USING (true)", *_as("ann acme")],
                [("ann",)],
            ),
        )
    ),
    # A context set by hand raises even if no row is reached.
    superuser(
        [
            REVISED,
            "CALL tenancy.protect('public.users', key => 'id', people => 'members')",
            "CALL tenancy.allow('public.users', 'SELECT', NULL, columns => 'id, username')",
            "CREATE POLICY wide ON public.users TO tenancy_credentialed USING (true)",
            "as app",
            *FORGED,
            "SET LOCAL enable_seqscan = off",
            "SELECT username FROM public.users WHERE id = '{nobody}'",
        ],
        "invalid_context",
    ),
    # People visible by a permission.
    *(
        superuser(
            [
                REVISED,
                f"CALL tenancy.protect('public.users', key => 'id', people => '{people}')",
                "CALL tenancy.allow('public.users', 'SELECT', 'audit.view', columns => 'id, username')",
                *wide,
                *_as(who, "SELECT count(*) FROM public.users"),
            ],
            [(count,)],
        )
        for wide in ([], ["CREATE POLICY wide ON public.users TO tenancy_credentialed USING (true)"])
        for people, who, count in (
            ("self", "ann acme", 1),
            ("self", "uma acme", 0),
            ("members", "ann acme", 4),
            ("members", "uma acme", 0),
        )
    ),
    *(
        superuser(
            [
                REVISED,
                "CALL tenancy.protect('public.users', key => 'id', people => 'members')",
                "CALL tenancy.allow('public.users', 'SELECT', NULL, columns => 'id, username')",
                *wide,
                *_as(who, "SELECT count(*) FROM public.users"),
            ],
            [(count,)],
        )
        for wide in ([], ["CREATE POLICY wide ON public.users TO tenancy_credentialed USING (true)"])
        for who, count in (("uma acme", 4), ("ann None", 1), ("sam platform", 6))
    ),
]


def _set_midway(probed: Probed) -> None:
    """In no shape can a permission be set in the middle of a statement."""
    all_of_them = f"set_config('tenancy.context', overlay({CONTEXT} PLACING repeat('1', 150) FROM 73), true)"
    hidden = "DELETE FROM tenancy.role_permissions WHERE permission = 'things.view' AND role = 'user'"
    for shape in SHAPES.values():
        names_midway(probed, "public.things", "ann acme", *shape)
        shown = shows_midway(probed, "uma acme", "public.things", "workspace_id", all_of_them, *shape, hidden)
        assert not shown, shown
    # Rows that only their author sees.
    ann = "set_config('tenancy.current_user_id', '{ann}', true)"
    for query in MIDWAY:
        if "USING" not in query:
            statement = re.sub(r"count\([^)]*\)", "string_agg(name, ' ')", query)
            statement = statement.replace("{{acme}}", "{acme}").replace("{change}", ann)
            statement = statement.replace("{table}", "public.things").replace("{key}", "workspace_id")
            answer = probed.ask(None, None, None, [*AUTHOR, *_as("uma acme", statement)])
            assert not re.search(r"\bann\b(?! shared)", str(answer)), (statement, answer)
    # Deletes are checked again, without the trigger.
    for statement in (
        "DELETE FROM public.things WHERE workspace_id = (SELECT '{acme}'::uuid WHERE " + all_of_them + " IS NOT NULL)",
        "DELETE FROM public.things WHERE (SELECT " + all_of_them + ") IS NOT NULL",
        "WITH x AS MATERIALIZED (SELECT " + all_of_them + " AS v)"
        " DELETE FROM public.things USING x WHERE v IS NOT NULL",
    ):
        answer = probed.ask(
            None,
            None,
            None,
            [*TENANT, "ALTER TABLE public.things DISABLE TRIGGER USER", *_as("uma acme", statement), "as None", NAMES],
        )
        assert answer in ("invalid_context", [("acme ann before bulk olga",)]), (statement, answer)


# A valid seal of the personal workspace, where a person holds every permission, beside one of Acme's: rolling back a
# savepoint removes the latch, but the text of its seal stays valid.
TWO_SEALS = (
    "DO $$ DECLARE kept text; BEGIN BEGIN PERFORM tenancy.enter('{%(id)s}');"
    " kept := current_setting('tenancy.context');"
    " RAISE SQLSTATE 'T0000'; EXCEPTION WHEN SQLSTATE 'T0000' THEN NULL; END;"
    " PERFORM set_config('test.personal', kept, true); END; $$",
    "enter %(id)s acme",
    f"SELECT set_config('test.acme', {CONTEXT}, true)",
)
PERSONAL, ACME = (
    f"set_config('tenancy.context', current_setting('test.{seal}'), true)"
    f" || set_config('tenancy.current_organization_id', '{organization}', true)"
    for seal, organization in (("personal", ""), ("acme", "{acme}"))
)


def _two_seals(probed: Probed) -> None:
    """Permissions of one workspace do not count in another, whichever of two valid seals is set in the middle."""
    for shape, table, what, hidden in (
        (CATALOGUE, "public.things", "name", "acme"),
        (
            [
                REVISED,
                "CALL tenancy.protect('public.users', key => 'id', people => 'members')",
                "CALL tenancy.allow('public.users', 'SELECT', 'audit.view', columns => 'id, email')",
            ],
            "public.users",
            "email",
            "ann",
        ),
    ):
        seals = [step % {"id": "uma"} for step in TWO_SEALS]
        for before in ("SELECT 1 AS n", f"SELECT count(*) AS n FROM {table}"):
            statement = (
                f"WITH a AS MATERIALIZED ({before}), x AS MATERIALIZED (SELECT {ACME} AS v FROM a)"
                f" SELECT string_agg({what}, ' ') FROM x, {table} WHERE v IS NOT NULL"
            )
            answer = probed.ask(
                None, None, None, [SEALED, *shape, VIEW_TAKEN, "as app", *seals, f"SELECT {PERSONAL}", statement]
            )
            assert hidden not in str(answer), (statement, answer)
    # Last in the table, after two own rows: at the second one the seal is changed.
    last = "UPDATE public.things SET name = name WHERE name = 'ann shared'"
    for write in ("DELETE FROM public.things", "UPDATE public.things SET name = 'taken'"):
        statement = f"{write} WHERE CASE name WHEN 'abe shared' THEN {PERSONAL} ELSE '' END IS NOT NULL"
        seals = [step % {"id": "abe"} for step in TWO_SEALS]
        answer = probed.ask(None, None, None, [SEALED, *AUTHOR, last, "as app", *seals, statement, "as None", NAMES])
        assert "ann shared" in str(answer), (statement, answer)


def _first(probed: Probed) -> None:
    """The owner of a row is checked before a query's own comparison, however cheap."""
    no_index = [f"SET LOCAL enable_{kind} = off" for kind in ("indexscan", "bitmapscan", "indexonlyscan")]
    floor = r"CASE WHEN \(workspace_id = ANY"
    author = r" THEN true ELSE false END AND CASE WHEN \(author = ANY"
    for shape, first in ((TENANT, floor), (AUTHOR, floor + ".*" + author)):
        for command in ("SELECT FROM", "UPDATE public.things SET name = 'x' FROM (SELECT) AS s", "DELETE FROM"):
            table = "" if command.startswith("UPDATE") else "public.things"
            explain = f"EXPLAIN {command} {table} WHERE name = ANY(ARRAY['x'])"
            plan = str(probed.ask(None, None, None, [*shape, *_as("ann acme", *no_index, explain)]))
            # PostgreSQL 16 keeps a condition that a NOT NULL column always fulfils.
            assert re.search(rf"Filter: \((\(workspace_id IS NOT NULL\) AND )?{first}.*name = ANY", plan), plan


def _unopened(probed: Probed) -> None:
    """Without the permission no table is opened, so that a plan counts no hidden rows."""
    explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT FROM public.things"
    for shape in (TENANT, AUTHOR, CATALOGUE):
        for before, opened in (("SELECT 1", True), (VIEW_TAKEN, False)):
            plan = str(probed.ask(None, None, None, [*shape, before, *_as("uma acme", explain)]))
            assert ("on things (never executed)" not in plan) is opened, plan


def _listed(probed: Probed) -> None:
    """Of accounts only visible ones are reached, so that a plan counts no hidden rows."""
    shape = [
        REVISED,
        "CALL tenancy.protect('public.users', key => 'id', people => 'members')",
        "CALL tenancy.allow('public.users', 'SELECT', NULL, columns => 'id, username')",
    ]
    explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT username FROM public.users"
    plan = str(probed.ask(None, None, None, [*shape, *_as("uma acme", "SET LOCAL enable_seqscan = off", explain)]))
    assert re.search(r"Index Cond: \(id = ANY", plan), plan


def _warned_of_views(probed: Probed) -> None:
    """Protecting a table names the views that show it to everybody."""
    said: list[str] = []

    def hear(notice: Diagnostic) -> None:
        said.append(str(notice.message_primary))

    superuser_connection = probed.connections[None]
    superuser_connection.add_notice_handler(hear)
    try:
        # Whoever may read the view sees the table's rows as its owner does.
        view = [
            "CREATE VIEW public.all_things AS TABLE public.things",
            "GRANT SELECT ON public.all_things TO tenancy_app",
        ]
        probed.ask(None, None, None, [*THINGS, *view, "CALL tenancy.protect('public.things')"])
    finally:
        superuser_connection.remove_notice_handler(hear)
    assert any("all_things" in text for text in said), said


def _keeping(ask: Callable[[Probed], None]) -> Callable[[Probed], None]:
    def keep(probed: Probed) -> None:
        with probed.keeping():
            ask(probed)

    return keep


OTHERS = {
    "protect allow set_floor floor catalogue_floor verified_author midway": _keeping(_set_midway),
    "protect allow catalogue_floor members_floor only_if two seals": _keeping(_two_seals),
    "protect floor plan": _keeping(_first),
    "protect floor list_gate plan": _keeping(_unopened),
    "protect allow members plan": _keeping(_listed),
    "protect close_protected warn_of_views": _warned_of_views,
}
