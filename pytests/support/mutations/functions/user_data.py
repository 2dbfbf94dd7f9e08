"""The data of an account, in all functions that write it."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.new_user(text,text,text,text,text)": [
        ("IF EXISTS (", "IF false AND EXISTS ("),
        ("tenancy_private.checked_email(new_user.email)", "email"),
    ],
    "tenancy_private.refuse_data(regclass,text,text,text,text,text,text,jsonb)": [
        ("(n.nspname, c.relname) = (schema_name, table_name)", "true"),
        ("(n.nspname, c.relname) = (schema_name, table_name)", "false"),
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
        ("IF noun = 'user' AND found ~ '[[:<:]]username[[:>:]]' THEN", "IF false THEN"),
        ("found ~ '[[:<:]]username[[:>:]]' THEN", "found ~ 'username' THEN"),
        ("found ~ '[[:<:]]email[[:>:]]' THEN", "false THEN"),
        ("found ~ '[[:<:]]slug[[:>:]]' THEN", "false THEN"),
        ("state = '428C9'", "false"),
        ("c.conname = constraint_name AND ", ""),
        (" OR c.contypid = type_id)", ")"),
    ],
    "tenancy_private.write_data(regclass,jsonb,jsonb,boolean)": [
        ("integrity_constraint_violation OR ", ""),
        (" OR string_data_right_truncation", ""),
        (" OR generated_always", ""),
        ("        RAISE;\n", "        RETURN new_values;\n"),
        (" > 0 THEN", " >= 0 THEN"),
        ("new_values, skip_conflicts", "new_values"),
    ],
    "tenancy_private.write_user(jsonb,text,text,text,text,text)": [
        ("'role', 'user'", "'role', 'admin'"),
        (
            "'email', write_user.email, 'username', write_user.username, 'first",
            "'username', write_user.username, 'first",
        ),
        ("'last_name', write_user.last_name, 'password_hash', write_user.password_hash, 'updated", "'updated"),
        ("jsonb_strip_nulls(", "("),
        ("'password_hash', write_user.password_hash, 'updated_at', now()", "'password_hash', write_user.password_hash"),
        ("given, key", 'given, CASE WHEN key IS NOT NULL THEN \'{"username": "olga"}\'::jsonb END'),
        *(
            (f"coalesce(tenancy_private.is_plain({name}), true)", "true")
            for name in ("username", "first_name", "last_name")
        ),
    ],
}
