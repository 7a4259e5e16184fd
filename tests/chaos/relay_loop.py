"""A thread that waits for sockets and moments, and takes orders from other threads."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

_ORDER_SECONDS = 10.0


class Loop:
    """
    One thread, started by :meth:`start` and ended by :meth:`stop`; what is registered is called with its events.

    Data of the selector's keys are functions of the ready socket and the event mask, or objects with such a
    ``ready`` method.
    """

    def __init__(self, name: str) -> None:
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._orders: deque[Callable[[], None]] = deque()
        self._errors: list[BaseException] = []
        self._near, self._far = socket.socketpair()
        self._far.setblocking(False)
        self._near.setblocking(False)
        self.selector.register(self._far, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stopping = False
        self._is_closed = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; may be called again."""
        if self._is_closed:
            return
        self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join(_ORDER_SECONDS)
        self._is_closed = True
        self._near.close()
        self._far.close()
        self.selector.close()

    def check(self) -> None:
        """Raise the first exception that happened in the thread."""
        if self._errors:
            raise self._errors.pop(0)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something after some time; to be called in the thread."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), do))

    def do(self, function: Callable[[], T]) -> T:
        """Do something in the thread, and return when it is done."""
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            return function()
        result: Future[T] = Future()

        def order() -> None:
            try:
                result.set_result(function())
            except BaseException as error:  # raised again where it was asked for
                result.set_exception(error)

        self._orders.append(order)
        self._wake()
        return result.result(_ORDER_SECONDS)

    def attempt(self, function: Callable[[], object]) -> None:
        """Do something; an exception is kept for :meth:`check`."""
        try:
            function()
        except Exception as error:  # kept
            self._errors.append(error)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is awake
            self._near.send(b".")

    def _run(self) -> None:
        while not self._stopping:
            wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            for key, mask in self.selector.select(wait):
                if key.data is None:
                    self._far.recv(4096)
                elif self.selector.get_map().get(key.fd) is key:  # not closed by what was done just now
                    self.attempt(lambda key=key, mask=mask: key.data.ready(key.fileobj, mask))
            while self._orders:
                self._orders.popleft()()
            while self._timers and self._timers[0][0] <= time.monotonic() and not self._stopping:
                self.attempt(heapq.heappop(self._timers)[2])
