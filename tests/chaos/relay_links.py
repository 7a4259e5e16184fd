"""One relayed connection: two directions, each a row of steps that goes on when there is something to do."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from relay_faults import Cut, Delay, Fault, Refuse, Stall
from relay_flows import BLOCK, Flow, Steps
from relay_framing import Framer, Message
from relay_places import AFTER, Channel, Event

_FLUSH_LOOKS = 2000  # one each millisecond
_LOOK = 0.001

State = Literal["open", "over", "stalled", "draining", "closed"]


class Host(Protocol):
    """What a link asks of the relay."""

    selector: selectors.BaseSelector

    def strikes(self, event: Event) -> Iterable[tuple[int, Fault]]:
        """Take note of a message; return the faults that strike there with their positions, in order."""

    def act(self, action: object) -> None:
        """Do what concerns more than one connection, or call back."""

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something after some time."""

    def dial(self, port: int) -> socket.socket:
        """Connect to the gateway."""

    def forget(self, link: Link) -> None:
        """Take note that a link is closed."""


class Link:
    """
    One connection of a client, and the one to the gateway that belongs to it.

    :param host: the relay.
    :param channel: which kind.
    :param number: which of that kind.
    :param port: the port on both sides.
    :param client: the client's connection.
    """

    def __init__(self, host: Host, channel: Channel, number: int, port: int, client: socket.socket) -> None:
        self.host = host
        self.channel: Channel = channel
        self.number = number
        self.port = port
        self.state: State = "open"
        self._masks: dict[socket.socket, int] = {}
        self._flows = [Flow("client", client, None)]
        self._prepare(client)

    def start(self) -> None:
        """Begin: faults at the connection itself, then the connection to the gateway."""
        flow = self._flows[0]
        flow.steps = self._open(flow)
        self._go_on(flow)

    # --- steps

    def _open(self, flow: Flow) -> Steps:
        event = Event(self.channel, self.number, "client", "connect")
        for _, fault in self.host.strikes(event):
            yield from self._strike(fault)
        try:
            gateway = self.host.dial(self.port)
        except OSError:
            self.close(reset=True)
            return
        self._prepare(gateway)
        flow.sink = gateway
        back = Flow("gateway", gateway, flow.source)
        back.steps = self._forward(back)
        self._flows.append(back)
        self._go_on(back)
        yield from self._forward(flow)

    def _forward(self, flow: Flow) -> Steps:
        while self.state == "open" and not flow.is_over:
            message = flow.framer.next()
            if message is None:
                yield None
            else:
                yield from self._pass(flow, message)

    def _pass(self, flow: Flow, message: Message) -> Steps:
        flow.index += 1
        data, passed = message.data, 0
        event = Event(self.channel, self.number, flow.sender, message.kind, flow.index, len(data), flow.offset)
        flow.offset += len(data) if message.kind == "data" else 0
        for position, fault in self.host.strikes(event):
            flow.out += data[passed:position]
            passed = max(passed, min(position, len(data)))
            if position == AFTER:
                self._end(flow, message)
            for _ in range(_FLUSH_LOOKS):
                if flow.is_flushed:
                    break
                yield _LOOK
            yield from self._strike(fault)
        flow.out += data[passed:]
        flow.flush()
        self._end(flow, message)

    def _end(self, flow: Flow, message: Message) -> None:
        if message.kind == "reset" or (message.kind == "fin" and self._is_broken(flow.source)):
            self.close(reset=True)
        elif message.kind == "fin":
            flow.is_over = True

    def _is_broken(self, source: socket.socket) -> bool:
        return any(flow.sink is source and flow.sink_is_broken for flow in self._flows)

    def _strike(self, fault: Fault) -> Steps:
        match fault.action:
            case Delay(seconds):
                yield seconds
            case Cut(how, everywhere=False):
                self.cut(how)
            case Refuse():
                self.close(reset=True)
            case Stall(everywhere=False):
                self.stall()
            case action:
                self.host.act(action)
        if self.state != "open":
            yield None  # for good: nothing goes on

    def _go_on(self, flow: Flow) -> None:
        if self.state != "open" or flow.steps is None:
            return
        flow.wants_input = False
        wait = next(flow.steps, 0.0)
        if self.state == "open" and not flow.is_over:
            if wait is None:
                flow.wants_input = True
            else:
                self.host.later(wait, lambda: self._go_on(flow))
        self._settle()

    # --- sockets

    def _prepare(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._masks[sock] = 0

    def ready(self, sock: socket.socket, mask: int) -> None:
        """Do what can be done now."""
        for flow in list(self._flows):
            if mask & selectors.EVENT_WRITE and flow.sink is sock:
                flow.flush()
        for flow in list(self._flows):
            if mask & selectors.EVENT_READ and flow.source is sock and self.state in {"open", "draining"}:
                flow.read()
                if self.state == "open":
                    self._go_on(flow)
                else:
                    flow.framer = Framer()  # what comes after a cut is of no interest
        self._settle()

    def _settle(self) -> None:
        """End what is over, and watch what is worth it."""
        if self.state == "open":
            for flow in self._flows:
                if flow.is_over and not flow.out and not flow.sink_is_broken:
                    self._shut(flow.sink)
            if len(self._flows) == 2 and all(flow.is_over and not flow.out for flow in self._flows):
                self.close()
        if self.state == "draining" and all(flow.has_ended for flow in self._flows):
            self.close()
        for sock in self._masks:
            self._watch(sock, self._wanted(sock))

    def _wanted(self, sock: socket.socket) -> int:
        mask = 0
        for flow in self._flows:
            if flow.source is sock and not flow.has_ended:
                hungry = flow.wants_input and len(flow.out) < BLOCK
                mask |= selectors.EVENT_READ * (self.state == "draining" or (self.state == "open" and hungry))
            if flow.sink is sock and flow.out and self.state == "open":
                mask |= selectors.EVENT_WRITE
        return mask

    def _watch(self, sock: socket.socket, mask: int) -> None:
        before, self._masks[sock] = self._masks[sock], mask
        if before == mask:
            return
        if not mask:
            self.host.selector.unregister(sock)
        elif before:
            self.host.selector.modify(sock, mask, self)
        else:
            self.host.selector.register(sock, mask, self)

    def _shut(self, sock: socket.socket | None) -> None:
        if sock is not None:
            with contextlib.suppress(OSError):  # it has ended already
                sock.shutdown(socket.SHUT_WR)

    # --- what faults do

    def cut(self, how: Literal["fin", "rst"]) -> None:
        """End it to both sides."""
        if how == "rst":
            self.close(reset=True)
            return
        self.state = "draining"  # closing with input unread would be a reset
        for flow in self._flows:
            flow.out.clear()
        for sock in self._masks:
            self._shut(sock)
        self._settle()

    def stall(self) -> None:
        """Let nothing more pass."""
        self.state = "stalled"
        self._settle()

    def close(self, *, reset: bool = False) -> None:
        """Close both sides."""
        if self.state == "closed":
            return
        self.state = "closed"
        for sock in self._masks:
            self._watch(sock, 0)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        self._masks.clear()
        self.host.forget(self)
