"""Tickets, and the keys of tickets and of the seal."""

from __future__ import annotations

CHANGES = {
    "tenancy.rotate_seal_key(interval)": [
        ("keep IS NULL OR ", ""),
        (" OR keep < interval '0'", ""),
        ("coalesce(k.superseded_at, clock_timestamp())", "clock_timestamp()"),
        ("least(k.valid_until, clock_timestamp() + keep)", "k.valid_until"),
        ("least(k.valid_until, clock_timestamp() + keep)", "clock_timestamp() + keep"),
        ("DELETE FROM tenancy_private.seal_keys AS k WHERE", "PERFORM FROM tenancy_private.seal_keys AS k WHERE"),
        ("WHERE k.valid_until <= clock_timestamp()", "WHERE k.superseded_at IS NOT NULL"),
    ],
    "tenancy_private.read_ticket(text)": [
        ("= tenancy_private.decode_base64url(part[3])", "IS NOT NULL"),
        ("OR k.id = header ->> 'kid'", "OR true"),
        ("header ->> 'kid' IS NULL OR ", ""),
        ("OR header ->> 'alg' IS DISTINCT FROM 'HS256'", ""),
        ("OR header ? 'crit'", ""),
        ("expires_in <= 0 OR ", ""),
        ("OR expires_in > 3600", ""),
        ("OR (claims ->> 'nbf')::double precision > extract(EPOCH FROM clock_timestamp())", ""),
        ("OR jsonb_typeof(claims -> 'sub') IS DISTINCT FROM 'string'", ""),
        ("OR jsonb_typeof(claims -> 'exp') IS DISTINCT FROM 'number'", ""),
    ],
    "tenancy.enter_with_ticket(text)": [("PERFORM tenancy_private.check_login();", "")],
    "tenancy.revoke_ticket_key(text)": [("IF NOT FOUND", "IF false")],
}
