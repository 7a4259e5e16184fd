"""
A TCP relay between a client and an FTPS gateway that breaks connections at chosen messages.

The control connection is encrypted from end to end, so the relay cannot rewrite the port that the gateway names.
It does not need to: the gateway listens on another loopback address, the relay on the same ports of its own address,
and the client goes to the named port at the address it knows. TLS records can be told apart without being read, and
faults are placed at them.

As a command, in front of any server whose passive ports are known::

    python tests/chaos/relay.py --listen 127.0.0.1 --to 127.0.0.2 --control 6381 --data 36000-36020 \\
        --cut data/2/client/5000=fin --cut control/1/gateway/12/before
"""

from __future__ import annotations

import argparse
import contextlib
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Self

from relay_faults import Action, Away, Call, Cut, Delay, Fault, Refuse, Stall, action
from relay_links import Link
from relay_loop import Loop
from relay_places import Channel, Connect, Control, Data, DataClose, DataHandshake, Event, Place, cut_points, place
from relay_ports import Port

__all__ = [
    "Relay", "Fault", "Event", "Place", "Action",
    "Connect", "Control", "Data", "DataClose", "DataHandshake",
    "Away", "Call", "Cut", "Delay", "Refuse", "Stall",
]  # fmt: skip

_DIAL_SECONDS = 5.0
#: Below the ports that systems give to whoever does not care.
_FREE_PORTS = range(20_000, 32_000)
_BLOCKS_TRIED = 200


class Relay:
    """
    Forwards a control port and data ports, and strikes where it was told to. A context manager.

    :param to: the gateway's address.
    :param control: the control port, here and there.
    :param data: the data ports, here and there.
    :param listen: the relay's own address.
    :raises OSError: when a port is taken.
    """

    def __init__(self, to: str, control: int, data: Sequence[int], listen: str = "127.0.0.1") -> None:
        self.to = to
        self.control_port = control
        self.data_ports = (data[0], data[-1])
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._faults: list[Fault] = []
        self._counts: Counter[Channel] = Counter()
        self._links: list[Link] = []
        self._ports: list[Port] = []
        self._loop = Loop(f"relay-{control}")
        self.selector = self._loop.selector
        try:
            for port in (control, *data):
                channel: Channel = "control" if port == control else "data"
                self._ports.append(Port(channel, listen, port, self.selector, self.accepted))
        except OSError:
            self.stop()
            raise

    @classmethod
    def on_free_ports(cls, to: str = "127.0.0.2", data_ports: int = 8, listen: str = "127.0.0.1") -> Self:
        """
        Make a relay on a block of ports that nobody uses; while it lives no other relay gets one of them.

        :param to: the gateway's address; the gateway is to be started on the relay's port numbers.
        :param data_ports: how many data ports.
        :param listen: the relay's own address.
        """
        size = data_ports + 1
        for _ in range(_BLOCKS_TRIED):
            first = random.SystemRandom().randrange(_FREE_PORTS.start, _FREE_PORTS.stop - size)
            with contextlib.suppress(OSError):
                return cls(to, first, range(first + 1, first + size), listen)
        raise OSError(f"No {size} free ports in a row at {listen}")

    def start(self) -> Self:
        """Begin to forward."""
        self._loop.start()
        self.come_back()
        return self

    def stop(self) -> None:
        """Reset every connection and stop: no thread and no socket is left. May be called again."""
        with contextlib.suppress(TimeoutError):  # a callback that does not return; its thread dies with the process
            self._loop.do(self._reset_links)
        self._loop.stop()
        for port in self._ports:
            port.socket.close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *error: object) -> None:
        """Stop."""
        self.stop()

    def check(self) -> None:
        """Raise an exception that happened in the relay's thread, such as a callback's."""
        self._loop.check()

    # --- what is to happen

    def plan(self, where: Place, what: Action, times: int | None = 1) -> Fault:
        """
        Plan a fault.

        :param where: the place.
        :param what: what happens there.
        :param times: how often; ``None`` for each time.
        :return: it tells whether it has struck.
        """
        fault = Fault(where, what, times)
        with self._lock:
            self._faults.append(fault)
        return fault

    def reset(self) -> None:
        """Reset every connection, forget faults and events, and count from 1 again: ready for another scenario."""

        def renew() -> None:
            self._reset_links()
            with self._lock:
                self._faults.clear()
                self._events.clear()
                self._counts.clear()
            self.come_back()

        self._loop.do(renew)

    def end_stalls(self) -> None:
        """Reset the connections that stand still, as a firewall does that has forgotten them."""
        self._loop.do(lambda: self._reset_links("stalled"))

    def go_away(self) -> None:
        """Reset every connection and refuse new ones."""
        self._loop.do(lambda: self.act(Away()))

    def come_back(self) -> None:
        """Accept connections again."""

        def listen() -> None:
            for port in self._ports:
                port.listen()

        self._loop.do(listen)

    # --- what happened

    @property
    def events(self) -> list[Event]:
        """What came to the relay, in order, as far as faults let it come."""
        with self._lock:
            return list(self._events)

    @property
    def struck(self) -> list[tuple[Fault, Event]]:
        """Which faults have struck, and at which messages, fault by fault."""
        with self._lock:
            return [(fault, event) for fault in self._faults for event in fault.struck]

    @property
    def open_connections(self) -> int:
        """How many connections are forwarded, stalled or not yet at their end."""
        return self._loop.do(lambda: len(self._links))

    def cut_points(self, *, certain: bool = False) -> list[Place]:
        """
        List the places at which what happened could have been cut, in their order.

        :param certain: only those that are met again when the same happens again.
        """
        return cut_points(event for event in self.events if event.is_certain or not certain)

    # --- what the connections ask

    def strikes(self, event: Event) -> Iterator[tuple[int, Fault]]:
        """Take note of a message, and yield the faults that strike there with their positions, in order."""
        with self._lock:
            self._events.append(event)
            here = [
                (position, fault) for fault in self._faults if (position := fault.place.position(event)) is not None
            ]
        for position, fault in sorted(here, key=lambda found: found[0]):
            if fault.strike(event):
                yield position, fault

    def act(self, what: object) -> None:
        """Do what concerns more than one connection, or call back."""
        match what:
            case Cut(how):
                for link in list(self._links):
                    link.cut(how)
            case Stall():
                for link in self._links:
                    link.stall()
            case Away(seconds):
                for port in self._ports:
                    port.refuse()
                self._reset_links()
                if seconds is not None:
                    self.later(seconds, self.come_back)
            case Call(function):
                self._loop.attempt(function)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something after some time."""
        self._loop.later(seconds, do)

    def dial(self, port: int) -> socket.socket:
        """Connect to the gateway."""
        return socket.create_connection((self.to, port), _DIAL_SECONDS)

    def forget(self, link: Link) -> None:
        """Take note that a link is closed."""
        with contextlib.suppress(ValueError):
            self._links.remove(link)

    def accepted(self, port: Port, client: socket.socket) -> None:
        """Forward a new connection."""
        self._counts[port.channel] += 1
        link = Link(self, port.channel, self._counts[port.channel], port.number, client)
        self._links.append(link)
        link.start()

    def _reset_links(self, state: str | None = None) -> None:
        for link in list(self._links):
            if state in {None, link.state}:
                link.close(reset=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Relay until interrupted, and print what passes."""
    parser = argparse.ArgumentParser(description="A TCP relay that breaks FTPS connections at chosen messages.")
    parser.add_argument("--listen", default="127.0.0.1", help="address of the relay")
    parser.add_argument("--to", required=True, help="address of the server")
    parser.add_argument("--control", type=int, required=True, help="control port, on both addresses")
    parser.add_argument("--data", default="36000-36020", help="first and last passive data port, on both addresses")
    parser.add_argument(
        *("--cut",),
        action="append",
        default=[],
        metavar="PLACE[=ACTION]",
        help="such as control/1/client/7/before=rst, data/2/client/5000=fin, connect/data/1=refuse; "
        "actions: fin, rst (default), stall, refuse, delay:SECONDS, away, away:SECONDS",
    )
    options = parser.parse_args(arguments)
    first, _, last = options.data.partition("-")
    try:
        faults = [
            (place(where), action(what or "rst")) for where, _, what in (cut.partition("=") for cut in options.cut)
        ]
        data = range(int(first), int(last or first) + 1)
    except ValueError as error:
        parser.error(str(error))
    seen = 0
    with Relay(options.to, options.control, data, options.listen) as relay:
        for where, what in faults:
            relay.plan(where, what)
        print(f"{options.listen}:{options.control} relays to {options.to}", flush=True)
        pause = threading.Event()
        with contextlib.suppress(KeyboardInterrupt):
            while not pause.wait(0.1):
                relay.check()
                for event in relay.events[seen:]:
                    seen += 1
                    print(
                        f"{event.channel} {event.connection} {event.sender:7} {event.index:3} {event.kind:9} "
                        f"{event.size:6} {event.offset:9}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
