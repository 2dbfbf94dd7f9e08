"""Proofs that an application's own tables are isolated; the pytest plugin provides them as fixtures.

Everything runs in one transaction of a superuser's connection, which is rolled back, so nothing
stays. The attempts run as the application's login, not as the superuser.
"""

from __future__ import annotations

from pg_tenancy.testing._cells import Report
from pg_tenancy.testing._rows import RowOf
from pg_tenancy.testing.contract import check_contract
from pg_tenancy.testing.isolation import check_function, check_table

__all__ = ["Report", "RowOf", "check_contract", "check_function", "check_table"]
