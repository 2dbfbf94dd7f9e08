"""The data of an account, whichever function writes it."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.new_user(text,text,text,text,text)": [
        ("IF EXISTS (", "IF false AND EXISTS ("),
        ("tenancy_private.checked_email(new_user.email)", "email"),
    ],
    "tenancy_private.refuse_user_data(text,text,text,text,text,text,jsonb)": [
        ("(schema_name, table_name) = ('public', 'users')", "true"),
        ("(schema_name, table_name) = ('public', 'users')", "false"),
        ("a.attname = column_name OR a.atttypid = type_id", "a.attname = column_name"),
        ("IF state = '22001' THEN", "IF false THEN"),
        ("AND length(rtrim(given ->> a.attname, ' ')) > l.limit_of", ""),
        ("nullif(t.typtypmod, -1)", "NULL"),
        ("nullif(a.atttypmod, -1)", "NULL"),
        ("ELSIF state = '23502' AND columns <> '{}' THEN", "ELSIF state = '23502' THEN"),
        ("state IN ('23505', '23P01')", "state IN ('23505')"),
        ("i.indnkeyatts", "i.indnatts"),
        ("k.number, true", "0, true"),
        ("AND c.relname = constraint_name", ""),
        ("IF found ~ '\\musername\\M' THEN", "IF false THEN"),
        ("IF found ~ '\\musername\\M' THEN", "IF found ~ 'username' THEN"),
        ("IF found ~ '\\memail\\M' THEN", "IF false THEN"),
        ("c.conname = constraint_name AND ", ""),
        (" OR c.contypid = type_id)", ")"),
    ],
    "tenancy_private.write_user(uuid,boolean,text,text,text,text,text)": [
        ("'role', 'user'", "'role', 'admin'"),
        (
            "'email', write_user.email, 'username', write_user.username, 'first",
            "'username', write_user.username, 'first",
        ),
        ("'last_name', write_user.last_name, 'password_hash', write_user.password_hash, 'updated", "'updated"),
        ("jsonb_strip_nulls(", "("),
        ("'password_hash', write_user.password_hash, 'updated_at', now()", "'password_hash', write_user.password_hash"),
        ("jsonb_build_object('id', write_user.user_id), jsonb", '\'{"username": "olga"}\', jsonb'),
        (" > 0;", " >= 0;"),
        ("integrity_constraint_violation OR ", ""),
        (" OR string_data_right_truncation", ""),
        ("        RAISE;\n", "        RETURN true;\n"),
        *(
            (f"coalesce(tenancy_private.is_plain({name}), true)", "true")
            for name in ("username", "first_name", "last_name")
        ),
    ],
}
