"""The journal of an upload in Airflow's task state store (3.3 and later): it outlives the task's process."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

from airflow_provider_icsftps.gateway import Journal

_MARK = "icsftps"


def _key(file_name: str) -> str:
    # Airflow 3.3.0 puts keys into a URL as they are, so none may hold what means something there; a digest stands for
    # names that do, and for none that does not
    if re.fullmatch("[A-Za-z0-9_.-]+", file_name):
        return f"{_MARK}.{file_name}"
    digest = sha256(file_name.encode(errors="surrogatepass")).hexdigest()
    return f"{_MARK}~{digest}"


class TaskJournal(Journal):
    """
    Keeps entries in the task state store, which lasts over the tries of a task instance.

    Values there are plain text: names, digests and how a transfer ended; nothing secret. When the store is emptied
    (a user clears the task), its mark goes with it, and the journal knows that it knows nothing.

    :param store: ``context["task_state_store"]``; ``None`` on Airflow 3.2, where nothing outlives a try.
    :param try_number: of the task instance, from 1; counts on over clears.
    :param resumed: whether this try was deferred: another process of it may have sent something.
    """

    def __init__(self, store: Any, try_number: int, *, resumed: bool = False) -> None:
        self._store = store
        marked = store is not None and store.get(_MARK) is not None
        super().__init__(complete=marked or (try_number <= 1 and not resumed))
        if store is not None and not marked and self.complete:
            store.set(_MARK, {"since_try": try_number})

    def load(self, file_name: str) -> dict[str, str] | None:
        """Return the entry of a name."""
        found = super().load(file_name)
        if found is None and self._store is not None and (kept := self._store.get(_key(file_name))) is not None:
            found = kept
            super().store(file_name, kept)
        return found

    def store(self, file_name: str, entry: dict[str, str]) -> None:
        """Keep the entry of a name, in the store first."""
        if self._store is not None:
            self._store.set(_key(file_name), entry)
        super().store(file_name, entry)
