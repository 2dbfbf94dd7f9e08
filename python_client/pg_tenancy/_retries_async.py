"""Retrying a whole transaction, with any driver."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from pg_tenancy._values import Count
from pg_tenancy._waits_async import sleep
from pg_tenancy.errors import is_transient

__all__ = ["again", "pause_before"]

T = TypeVar("T")

# The limits of the pauses, in seconds: they double from the first to the last.
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 2.0


async def again(transaction: Callable[[], Awaitable[T]], retries: int) -> T:
    """Call a function that is one transaction, and retry it after a conflict with another one.

    Args:
        transaction: the function.
        retries: the maximum number of retries, 0 to 2,147,483,647.

    Raises:
        InvalidArgumentError: ``retries`` is not an int in this range.
        Exception: the error of the last attempt, or one that is not retried.
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
    """Return how many seconds to wait before retry 1, 2, ...

    The pause is random, up to a limit that doubles each time, so that transactions that
    conflicted do not run in step and conflict again.
    """
    limit = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt)
    return random.uniform(0, limit)  # noqa: S311
