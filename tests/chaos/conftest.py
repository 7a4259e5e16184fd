"""A gateway that can be reached only through a relay that breaks connections."""

from __future__ import annotations

import contextlib
import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from relayed import Relayed, gateway_behind_relay


@pytest.fixture
def relayed_gateway(identities: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Relayed]]:
    """Make gateways behind relays; arguments are the simulator's."""
    with contextlib.ExitStack() as running:

        def make(**options: Any) -> Relayed:
            directory = shutil.copytree(identities, tmp_path_factory.mktemp("relayed") / "state")
            return running.enter_context(gateway_behind_relay(directory, **options))

        yield make


@pytest.fixture
def relayed(relayed_gateway: Callable[..., Relayed]) -> Relayed:
    """A gateway behind a relay."""
    return relayed_gateway()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Bear sockets that the FTP server library under the simulator leaves to the garbage collector.

    It does so when a connection is reset while it is being set up, which happens here all the time.
    """
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Let what is left behind be found in the test that left it."""
    yield
    gc.collect()
