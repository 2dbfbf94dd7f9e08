"""``./dev bench [policies | client | users | money | lint]``: every number that the README gives comes from here."""

import sys

from bench import client, lint, money, policies, users

PARTS = {
    "policies": policies.main,
    "client": client.main,
    "users": users.main,
    "money": money.main,
    "lint": lint.main,
}

part = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in PARTS else "policies"
PARTS[part]()
