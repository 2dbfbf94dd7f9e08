"""How a pipeline of psycopg is left without a message that confuses PgBouncer.

psycopg ends a pipeline with a Sync and then asks for the answers with a Flush.
Behind a COMMIT that is too late: PgBouncer has given the backend to somebody else
when it answered the Sync, takes the Flush for the beginning of a transaction, and
keeps a backend for it that nobody gets before the client's next statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import generators

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg import AsyncPipeline, Pipeline

__all__ = ["leave_quietly"]


def leave_quietly(pipeline: Pipeline | AsyncPipeline) -> None:
    """Have a pipeline wait at its end for the answer to its Sync, and send no Flush.

    The server answers everything at a Sync, so nothing more has to be asked for.
    What is replaced is internal to psycopg, 3.1 to 3.3; where that has other names,
    the pipeline is left in psycopg's own way.
    """
    if hasattr(pipeline, "_exit_gen"):
        setattr(pipeline, "_exit_gen", lambda: _exit(pipeline))  # noqa: B010


def _exit(pipeline: Any) -> Generator[Any, Any, None]:
    try:
        pipeline._enqueue_sync()
        yield from pipeline._communicate_gen()
    finally:
        # A long statement may not have left yet, and then nor has the Sync behind it.
        if pipeline.result_queue:
            yield from generators.send(pipeline.pgconn)
            yield from pipeline._fetch_gen(flush=False)
