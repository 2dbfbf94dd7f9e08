"""``./dev bench [policies | client | users | money | console]``: every number that the README gives comes from here."""

import sys

from bench import client, console, money, policies, users

PARTS = {
    "policies": policies.main,
    "client": client.main,
    "users": users.main,
    "money": money.main,
    "console": console.main,
}

part = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in PARTS else "policies"
PARTS[part]()
