"""Time limits on calls into drivers, which have none of their own; and times that can be true."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# A capture time older than this, or in the future, is a clock of another kind or a driver's slip.
_OLDEST_NS = 5_000_000_000

_left: set[threading.Thread] = set()
_left_lock = threading.Lock()


def within(
    limit_s: float, name: str, work: Callable[[], T], late: Callable[[T], None] | None = None
) -> T:
    """Calls something that may hang, and waits for it no longer than a limit.

    Args:
        limit_s: How long to wait, seconds.
        name: Of the thread that makes the call.
        work: The call.
        late: What to do with its result when nobody waits for it any more; runs in that thread.

    Returns:
        Its result.

    Raises:
        TimeoutError: It took longer. Its thread is left behind, and dies with the process; until
            it ends, `left_behind` counts it.
        Exception: Whatever the call raised.
    """
    done = threading.Event()
    turn = threading.Lock()
    given_up = False
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            errors.append(error)
        else:
            with turn:
                results.append(result)
                if not given_up:
                    done.set()
                    return
            if late is not None:
                late(result)
        done.set()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    done.wait(limit_s)
    with turn:
        given_up = not results
    if results:
        thread.join()
        return results[0]
    if errors:
        thread.join()
        raise errors[0]
    with _left_lock:
        _left.add(thread)
    raise TimeoutError(f"{name}: not done within {limit_s:g} s")


def left_behind() -> int:
    """How many threads of this process `within` has left behind that are still at work."""
    with _left_lock:
        _left.difference_update([thread for thread in _left if not thread.is_alive()])
        return len(_left)


def plausible_ns(claimed_ns: int | None, arrived_ns: int) -> int:
    """When a picture was taken, going by what a driver says where that can be true.

    Args:
        claimed_ns: What the driver says, monotonic nanoseconds; None where it says nothing.
        arrived_ns: When the picture arrived, monotonic nanoseconds.

    Returns:
        The driver's time, or the arrival where it is in the future or more than 5 s old.
    """
    if claimed_ns is None or not arrived_ns - _OLDEST_NS <= claimed_ns <= arrived_ns:
        return arrived_ns
    return claimed_ns
