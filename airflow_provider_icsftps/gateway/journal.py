"""What one task instance did under which name, so that a later try knows how an earlier one ended."""

from __future__ import annotations

import threading

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.submission import Transfer


class Journal:
    """
    A journal in memory: enough for one attempt. A durable one overrides :meth:`load` and :meth:`store`.

    A transfer is noted as :attr:`Transfer.KILLED` *before* its first command is sent, and noted again with its end.
    So what a killed process leaves behind says "started, and nothing more".

    Safe to use from any thread: :meth:`load` and :meth:`store` are called by one at a time. What is behind them need
    not be made for threads; Airflow's task state store speaks through the one channel that a task's process has.

    :param complete: whether a name without an entry was never sent. ``False`` when there may have been an earlier try
        of which no journal is left (Airflow before 3.3, or a state store that was emptied): then nothing is known.
    """

    def __init__(self, *, complete: bool = True) -> None:
        self.complete = complete
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, str]] = {}

    def load(self, file_name: str) -> dict[str, str] | None:
        """
        Return the entry of a name.

        :param file_name: the name at the gateway; for what a filing is called, a slash and its key.
        :return: ``sha256`` and ``transfer``, or ``source_name``; ``None`` when there is none.
        """
        return self._entries.get(file_name)

    def store(self, file_name: str, entry: dict[str, str]) -> None:
        """
        Keep the entry of a name.

        :param file_name: as in :meth:`load`.
        :param entry: as :meth:`load` returns it.
        """
        self._entries[file_name] = entry

    def note(self, file_name: str, sha256: str, transfer: Transfer) -> None:
        """
        Note how far a transfer has come.

        :param file_name: the name at the gateway.
        :param sha256: of the content.
        :param transfer: how it stands.
        """
        with self._lock:
            self.store(file_name, {"sha256": sha256, "transfer": transfer.value})

    def first_called(self, key: str, source_name: str) -> str:
        """
        Return what a filing was called by the first try: that is in its name, and a later try may call it otherwise.

        :param key: what makes its name the name of one filing, 16 hexadecimal digits.
        :param source_name: what it is called now; noted when there was no try before, as far as the journal goes.
        :raises ConfigurationError: when the entry is damaged.
        """
        with self._lock:
            entry = self.load(f"/{key}")  # no file is called so
            if entry is None:
                self.store(f"/{key}", {"source_name": source_name})
                return source_name
        try:
            return str(entry["source_name"])
        except (KeyError, TypeError) as error:
            raise _damaged(f"filing {key}", "source_name is", entry, "raise resubmission") from error

    def knows(self, file_name: str, sha256: str) -> bool:
        """
        Say whether this content was sent under this name, as far as the journal goes.

        :param file_name: the name at the gateway.
        :param sha256: of the content.
        :raises ConfigurationError: when the entry is damaged.
        """
        return self._noted(file_name, sha256) not in {None, Transfer.NONE}  # a refusal is noted, too

    def transfer(self, file_name: str, sha256: str) -> Transfer:
        """
        Return how the last transfer of a content under a name ended.

        :param file_name: the name at the gateway.
        :param sha256: of the content.
        :return: without an entry ``none`` when the journal is complete, else ``killed``.
        :raises ConfigurationError: when the entry is damaged.
        """
        noted = self._noted(file_name, sha256)
        if noted is not None:
            return noted
        return Transfer.NONE if self.complete else Transfer.KILLED

    def _noted(self, file_name: str, sha256: str) -> Transfer | None:
        with self._lock:
            entry = self.load(file_name)
        if entry is None:
            return None
        try:
            content, transfer = entry["sha256"], Transfer(entry["transfer"])
        except (KeyError, TypeError, ValueError) as error:
            expected = f"sha256 and transfer ({', '.join(Transfer)}) are"
            raise _damaged(file_name, expected, entry, "raise resubmission or give it another name") from error
        return transfer if content == sha256 else None


def _damaged(whose: str, what: str, entry: object, way_to_repeat: str) -> ConfigurationError:
    return ConfigurationError(
        f"Journal entry of {whose}: {what} expected, and it is {str(entry)[:200]!r}; nothing was sent. "
        f"Find out what was filed under the name; to file it again on purpose, {way_to_repeat}"
    )
