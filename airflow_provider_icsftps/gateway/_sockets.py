"""What is done to bare sockets."""

from __future__ import annotations

import select
import socket
import ssl


def tune(sock: socket.socket) -> None:
    """Send small packets at once: with Nagle's algorithm the end of every small upload waits for 40 ms."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def keep_alive(sock: socket.socket) -> None:
    """Keep NAT and firewalls from forgetting the control connection during long transfers and waits."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def ready(readable: list[ssl.SSLSocket], writable: list[ssl.SSLSocket], seconds: float) -> set[int]:
    """
    Wait until one of these is ready, and return the descriptors of those that are.

    ``select.select`` would not do: it fails in a process with more than 1023 open files.
    """
    poll = select.poll()
    for sock in readable:
        poll.register(sock, select.POLLIN)
    for sock in writable:
        poll.register(sock, select.POLLOUT)
    return {descriptor for descriptor, _ in poll.poll(int(seconds * 1000) + bool(seconds))}
