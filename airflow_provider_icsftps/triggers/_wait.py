"""One wait on a poll, and what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_icsftps.gateway.outbox_names import OutboxNames


@dataclass(frozen=True)
class Found:
    """
    A look has found something.

    :param names: what.
    """

    names: list[str]


@dataclass(frozen=True)
class Remark:
    """
    Something for the log.

    :param text: one line.
    """

    text: str


@dataclass(frozen=True)
class Ended:
    """
    The wait is over.

    :param error: what ended it; ``None`` when its time is up.
    """

    error: BaseException | None = None


@dataclass(frozen=True)
class Moved:
    """The connection was edited; the wait goes on by its new values."""


Message = Found | Remark | Ended | Moved


class Wait:
    """
    One wait. A message that is not fetched in time is replaced by the next.

    :param found: what of the names in the outbox is looked for; called in a thread.
    :param interval: seconds between two looks at the most.
    :param deadline: in the seconds of :func:`time.monotonic`; infinite for none.
    """

    # there may be ten thousand of them
    __slots__ = ("_message", "_news", "deadline", "found", "interval", "knows_of_failure")

    def __init__(self, found: Callable[[OutboxNames], list[str]], interval: float, deadline: float) -> None:
        self.found = found
        self.interval = interval
        self.deadline = deadline
        self.knows_of_failure = False
        self._message: Message | None = None
        self._news: asyncio.Future[None] | None = None

    def tell(self, message: Message) -> None:
        """
        Leave a message.

        :param message: see there.
        """
        self._message = message
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def message(self) -> Message:
        """Return the next message."""
        while self._message is None:
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        message, self._message, self._news = self._message, None, None
        return message
