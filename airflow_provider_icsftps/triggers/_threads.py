"""Threads for polls: some of our own while there is a poll, and none after the last one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor


class PollThreads:
    """
    A pool that begins with the first who enters, and ends with the last who leaves.

    Safe to use from any thread: each event loop of a process may have polls.

    :param count: threads at most.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._users = 0
        self._pool: ThreadPoolExecutor | None = None

    def enter(self) -> ThreadPoolExecutor:
        """Return the pool; :meth:`leave` when nothing of yours is under way there any more."""
        with self._lock:
            self._users += 1
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max_workers=self._count, thread_name_prefix="icsftps-outbox")
            return self._pool

    def leave(self) -> None:
        """Be done with the pool; after the last one its threads end."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._pool is not None:
                self._pool.shutdown(wait=False)  # they are idle, and an event loop does not wait for them
                self._pool = None
