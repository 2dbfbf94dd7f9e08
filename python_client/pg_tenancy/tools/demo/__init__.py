"""A whole migration on sample data: an old platform, the deploy phase by phase, and what each person then sees.

:func:`demonstrate` runs it; ``pg-tenancy demo`` is the same on the command line.
"""

from __future__ import annotations

from pg_tenancy.tools.demo.platform import GROWN
from pg_tenancy.tools.demo.rental import RENTAL
from pg_tenancy.tools.demo.run import Demonstration, demonstrate

__all__ = ["GROWN", "RENTAL", "Demonstration", "demonstrate"]
