"""``./dev bench [policies | client | users | money | costs | console | lint]``: where all numbers come from."""

import sys

from bench import client, console, costs, lint, money, policies, users

PARTS = {
    "policies": policies.main,
    "client": client.main,
    "users": users.main,
    "money": money.main,
    "costs": costs.main,
    "console": console.main,
    "lint": lint.main,
}

part = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in PARTS else "policies"
PARTS[part]()
