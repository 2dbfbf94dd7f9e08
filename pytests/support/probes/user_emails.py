"""The account of an e-mail address."""

from __future__ import annotations

from support.probes.base import Question, superuser

QUESTIONS: list[Question] = [
    *(
        superuser([statement, "SELECT email FROM tenancy_private.user_emails WHERE user_id = '{ann}'"], found)
        for statement, found in (
            ("UPDATE public.users SET email = ' ANN@Example.org' WHERE id = '{ann}'", [("ann@example.org",)]),
            ("UPDATE public.users SET email = ' ' WHERE id = '{ann}'", []),
            ("UPDATE public.users SET username = 'a'", [("ann@example.com",)]),
        )
    ),
    superuser(
        [
            "INSERT INTO public.users (email) VALUES ('A@new'), ('a@NEW'), (' '), (repeat('x', 400))",
            "SELECT email FROM tenancy_private.user_emails WHERE email !~ 'example.com'",
        ],
        [("a@new",), ("a@new",)],
    ),
    *(
        superuser(
            [
                "UPDATE public.users SET email = 'Uma@example.com' WHERE id = '{ann}'",
                f"SELECT tenancy_private.user_with_email('{email}')::text",
            ],
            found,
        )
        for email, found in (
            ("uma@example.com", [("{uma}",)]),
            ("Uma@example.com", [("{ann}",)]),
            ("UMA@example.com", "email_ambiguous"),
            ("Max@example.com", [("{max}",)]),
            ("nobody@example.com", [(None,)]),
        )
    ),
    *(
        superuser(f"SELECT tenancy_private.new_user('{email}', NULL, NULL, NULL, NULL)", error)
        for email, error in (("ANN@example.com", "email_taken"), ("ann", "email_invalid"))
    ),
]
