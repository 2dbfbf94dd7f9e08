"""Organizations, their slugs and their workspaces."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import IMMEDIATE, REPLICA, Question, superuser

QUESTIONS: list[Question] = [
    (
        "app",
        "ann",
        "acme",
        "SELECT name, role, is_current FROM tenancy.my_organizations()",
        [("Acme", "owner", True), ("Duo", "owner", False)],
    ),
    (
        "app",
        "ann",
        None,
        "SELECT slug ~ '^acme-....$', name FROM tenancy.create_organization(' Acme ')",
        [(True, "Acme")],
    ),
    (
        "app",
        "ann",
        None,
        ["SELECT tenancy.create_organization('New')", "SELECT role FROM tenancy.my_organizations() WHERE name = 'New'"],
        [("owner",)],
    ),
    ("app", "ann", None, "SELECT tenancy.create_organization('Acme', 'acme')", "organization_slug_taken"),
    ("app", "ann", None, "SELECT tenancy.create_organization('x', 'A b')", "organization_slug_invalid"),
    ("app", "ann", None, "SELECT tenancy.create_organization(' ')", "organization_name_invalid"),
    ("app", "ann", None, "SELECT tenancy.create_organization(repeat('x', 201))", "organization_name_invalid"),
    ("app", None, None, "SELECT tenancy.create_organization('x')", "no_context"),
    ("app", "ann", None, "SELECT tenancy.update_organization(name => 'x')", "organization_required"),
    ("app", "abe", "acme", "SELECT tenancy.update_organization(name => 'x')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.update_organization(color => 'red')", "organization_color_invalid"),
    ("app", "ann", "acme", "SELECT tenancy.update_organization(slug => 'bulk')", "organization_slug_taken"),
    ("app", "ann", "acme", "SELECT tenancy.update_organization(slug => 'B u')", "organization_slug_invalid"),
    ("app", "ann", "acme", "SELECT tenancy.update_organization(name => E'a\\nb')", "organization_name_invalid"),
    superuser(
        [
            "as app",
            "enter ann acme",
            "SELECT tenancy.update_organization('N', 'n', '#ABCDEF')",
            "as None",
            "SELECT array_agg(o.slug), array_agg(w.id = o.id) FROM public.organizations AS o, tenancy.workspaces AS w"
            " WHERE o.name = 'N' AND w.color = '#abcdef'",
        ],
        [(["n"], [True])],
    ),
    # Unchanged values are not written.
    superuser(
        [
            "UPDATE public.organizations SET updated_at = '2001-01-01'",
            "as app",
            "enter ann acme",
            "SELECT tenancy.update_organization(name => 'Acme', slug => 'acme')",
            "as None",
            "SELECT updated_at = '2001-01-01' FROM public.organizations WHERE id = '{acme}'",
        ],
        [(True,)],
    ),
    ("app", "abe", "acme", "SELECT tenancy.delete_organization()", "permission_denied"),
    superuser(
        [
            "CREATE UNIQUE INDEX o ON public.organizations (left(slug, 2))",
            "as app",
            "enter ann None",
            "SELECT tenancy.create_organization('x', 'acne')",
        ],
        "organization_slug_taken",
    ),
    superuser(
        [
            "as app",
            "enter ann acme",
            "SELECT tenancy.delete_organization()",
            "as None",
            "SELECT string_agg(o.name, ' ' ORDER BY o.name) FROM tenancy.workspaces AS w"
            " JOIN public.organizations AS o USING (id) WHERE w.deleted_at IS NOT NULL",
        ],
        [("Acme Gone",)],
    ),
    (
        "service",
        None,
        None,
        [
            "SELECT tenancy.restore_organization('{gone}')",
            "SELECT count(*) FROM tenancy.workspaces WHERE deleted_at IS NOT NULL",
        ],
        [(0,)],
    ),
    ("service", None, None, "SELECT tenancy.restore_organization('{acme}')", "deleted_organization_not_found"),
    ("service", None, None, "SELECT tenancy.purge_organization('{acme}')", "deleted_organization_not_found"),
    (
        "service",
        None,
        None,
        [
            "SELECT tenancy.purge_organization('{gone}')",
            "SELECT string_agg(name, ' ' ORDER BY name) FROM public.organizations",
        ],
        [("Acme Bulk Duo",)],
    ),
    ("app", "ann", "acme", "SELECT tenancy.purge_organization('{gone}')", "42501"),
    # a slug, whoever writes it and however
    *(
        ("service", None, None, [*statements, "SELECT 1"], answer)
        for statements, answer in (
            (
                ["INSERT INTO public.organizations (id, name, slug) VALUES (gen_random_uuid(), 'x', 'ACME')"],
                "organization_slug_taken",
            ),
            (["UPDATE public.organizations SET slug = 'Acme' WHERE id = '{duo}'"], "organization_slug_taken"),
            (["UPDATE public.organizations SET slug = 'Acme' WHERE id = '{acme}'"], [(1,)]),
            (
                [
                    "UPDATE public.organizations SET slug = 'other' WHERE id = '{acme}'",
                    "UPDATE public.organizations SET slug = 'acme' WHERE id = '{duo}'",
                ],
                [(1,)],
            ),
        )
    ),
    # An adopted table may have organizations without a slug.
    superuser(
        [
            "ALTER TABLE public.organizations ALTER COLUMN slug DROP NOT NULL",
            "UPDATE public.organizations SET slug = NULL",
            "SELECT count(*) FROM tenancy_private.organization_slugs",
        ],
        [(0,)],
    ),
    # Tenants do not see an adopted table's further columns.
    superuser(
        [
            "ALTER TABLE public.organizations ADD COLUMN billing_secret text DEFAULT 'secret'",
            "as app",
            "enter ann acme",
            "SELECT o.name, o.billing_secret FROM tenancy.update_organization(name => 'N') AS o",
        ],
        [("N", None)],
    ),
    # every person and organization has a workspace
    *(
        superuser(
            [
                f"INSERT INTO public.{into} RETURNING 1",
                f"SELECT count(*) FROM tenancy.workspaces WHERE kind = '{kind}'",
            ],
            [(count,)],
        )
        for into, kind, count in (
            ("users (id, email, role) VALUES (gen_random_uuid(), 'x', 'user')", "personal", 7),
            ("organizations (id, name, slug) VALUES (gen_random_uuid(), 'x', 'x')", "organization", 5),
        )
    ),
    superuser([REPLICA, "TRUNCATE tenancy.workspaces CASCADE", IMMEDIATE], "workspaces_are_kept"),
]
