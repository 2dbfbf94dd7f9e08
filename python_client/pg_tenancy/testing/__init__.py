"""Proofs that an application's own tables are isolated, which the pytest plugin gives out as fixtures.

Everything here works in one transaction of a superuser's connection, which is rolled
back: nothing stays, and no table is ever emptied. Who acts in it has the role of the
application's login, not the superuser's.
"""

from __future__ import annotations

from pg_tenancy.testing._cells import Report
from pg_tenancy.testing._rows import RowOf
from pg_tenancy.testing.contract import check_contract
from pg_tenancy.testing.isolation import check_function, check_table

__all__ = ["Report", "RowOf", "check_contract", "check_function", "check_table"]
