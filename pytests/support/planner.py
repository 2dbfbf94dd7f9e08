"""Plans as seen by an attacker who looks for hidden rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import psycopg

__all__ = ["SETTINGS", "pages_of", "plan_of"]

# Settings that anybody may change, and that select how a table is read.
SETTINGS = {
    "as it is": "SELECT 1",
    "no index": "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;"
    " SET LOCAL enable_indexonlyscan = off",
    "no bitmap": "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off",
    "no index scan": "SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = off",
    "generic": "SET LOCAL plan_cache_mode = force_generic_plan",
    "cheap": "SET LOCAL cpu_operator_cost = 0; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off",
    "dear": "SET LOCAL cpu_operator_cost = 1000; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off",
    "little memory": "SET LOCAL work_mem = '64kB'; SET LOCAL hash_mem_multiplier = 1;"
    " SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off",
    "no hash": "SET LOCAL enable_hashagg = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_material = off;"
    " SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off",
    "parallel": "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0;"
    " SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off",
}


def plan_of(connection: psycopg.Connection[Any], query: str, settings: str, values: Iterable[object]) -> str:
    """Return the output of EXPLAIN ANALYZE for a query, without the queried values."""
    with connection.transaction(force_rollback=True):
        connection.execute(SETTINGS[settings].encode())
        explained = connection.execute(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) {query}".encode()
        ).fetchall()
    plan = "\n".join(line for (line,) in explained)
    for value in values:
        plan = plan.replace(str(value), "?")
    # A sort's memory and the number of launched workers reveal nothing.
    plan = re.sub(r"Memory: \d+kB", "", plan)
    if settings == "parallel":
        plan = re.sub(r"loops=[1-9]\d*|Workers Launched: \d+|Rows Removed by Filter: [1-9]\d*", "", plan)
    return plan


def pages_of(connection: psycopg.Connection[Any], query: str) -> int:
    """Return the number of pages that a statement and its functions read.

    The first time in a session this includes the catalog.
    """
    ((explained,),) = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}".encode()).fetchall()
    top = explained[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
