"""E-mail addresses."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.email_key(text)": [
        ("lower(", "("),
        ("<= 320", "<= 3200"),
        (">= 1", ">= 0"),
    ],
    "tenancy_private.add_user_emails()": [("WHERE tenancy_private.email_key(n.email::text) IS NOT NULL", "")],
    "tenancy_private.change_user_email()": [
        ("IF new_key IS NULL THEN", "IF false THEN"),
        ("SET email = excluded.email", "SET email = e.email"),
        (" WHERE e.user_id = new.id", " WHERE false"),
    ],
    "tenancy_private.user_with_email(text)": [
        ("IF cardinality(found_ids) <= 1 THEN", "IF true THEN"),
        (" AND u.email::text = user_with_email.email", ""),
        ("RAISE EXCEPTION", "RETURN NULL; RAISE EXCEPTION"),
    ],
    "tenancy_private.lock_email(text)": [
        ("INSERT INTO", "RETURN; INSERT INTO"),
        ("DO UPDATE SET uses = l.uses + 1", "DO NOTHING"),
    ],
    "tenancy_private.checked_email(text)": [
        ("length(trimmed) <= 254\n        AND", ""),
        ("RAISE EXCEPTION", "RETURN trimmed; RAISE EXCEPTION"),
        ("NOT coalesce(", "NOT nullif("),
        ("RETURN trimmed", "RETURN email"),
    ],
}
