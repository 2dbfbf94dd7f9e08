"""Doing a whole transaction again, whichever driver carries it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from pg_tenancy._values import Count
from pg_tenancy._waits_async import sleep
from pg_tenancy.errors import is_transient

__all__ = ["again", "pause_before"]

T = TypeVar("T")

# The pauses between attempts double from the first to the last of these, in seconds.
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 2.0


async def again(transaction: Callable[[], Awaitable[T]], retries: int) -> T:
    """Call a function that is one transaction until it meets no other one.

    Args:
        transaction: what is called.
        retries: how many times to try again, from 0 to 2,147,483,647.

    Raises:
        InvalidArgumentError: retries is something else.
        Exception: what the function raised in the last attempt.
    """
    retries = Count("retries")(retries)
    attempt = 0
    while True:
        try:
            return await transaction()
        except Exception as error:
            if attempt >= retries or not is_transient(error):
                raise
        attempt += 1
        await sleep(pause_before(attempt))


def pause_before(attempt: int) -> float:
    """Return how many seconds to wait before attempt 1, 2, ... of a retry.

    The pause is drawn evenly from 0 up to a limit that doubles each time, so that
    the transactions that collided do not collide again in step.
    """
    limit = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt)
    return random.uniform(0, limit)  # noqa: S311
