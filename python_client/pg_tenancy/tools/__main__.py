"""``python -m pg_tenancy.tools`` is ``pg-tenancy``."""

import sys

from pg_tenancy.tools.cli import main

sys.exit(main())
