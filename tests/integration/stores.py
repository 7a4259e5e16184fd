"""Path objects whose store is ours to break."""

from __future__ import annotations

from typing import Any


class Proxy:
    """
    A path object in an object store, as duck-typed as the archive takes them, with another ``fs``.

    :param path: the path object that is stood in for.
    :param fs: what is asked instead of its store.
    """

    def __init__(self, path: Any, fs: Any) -> None:
        self._path = path
        self.fs = fs

    @property
    def path(self) -> str:
        return self._path.path

    @property
    def name(self) -> str:
        return self._path.name

    @property
    def parent(self) -> Proxy:
        return Proxy(self._path.parent, self.fs)

    def __truediv__(self, name: str) -> Proxy:
        return Proxy(self._path / name, self.fs)

    def joinpath(self, *names: str) -> Proxy:
        return Proxy(self._path.joinpath(*names), self.fs)

    def __str__(self) -> str:
        return str(self._path)


class StoreError(Exception):
    """What a store's library raises: none of Python's own."""


class FailingStore:
    """
    A store that fails at the Nth thing that it is asked for, before or after it is done.

    :param fs: the store.
    :param at: which.
    :param error: what is raised.
    :param after: whether it is done before it fails.
    """

    def __init__(self, fs: Any, at: int, error: BaseException, *, after: bool) -> None:
        self._fs = fs
        self.left = at
        self._error = error
        self._after = after

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._fs, name)
        if not callable(member) or name == "invalidate_cache":
            return member

        def asked(*args: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self._after:
                raise self._error
            try:
                return member(*args, **more)
            finally:
                if self.left == 0:
                    raise self._error

        return asked
