"""``./dev bench [policies | client | users | money | costs | console | lint | forms]``.

The source of every number in the README and the documents.
"""

import sys

from bench import client, console, costs, forms, lint, money, policies, users

PARTS = {
    "policies": policies.main,
    "client": client.main,
    "users": users.main,
    "money": money.main,
    "costs": costs.main,
    "console": console.main,
    "lint": lint.main,
    "forms": forms.main,
}

part = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in PARTS else "policies"
PARTS[part]()
