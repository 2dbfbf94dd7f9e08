"""``python -m pg_tenancy`` is ``pg-tenancy``."""

import sys

from pg_tenancy.cli import main

sys.exit(main())
