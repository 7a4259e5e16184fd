"""What is done to bare sockets."""

from __future__ import annotations

import queue
import select
import socket
import ssl
import threading
import traceback


def addresses_of(host: str, port: int, seconds: float | None = None) -> list[tuple[str, int]]:
    """
    Look up the addresses of a host.

    :param host: a name or an address.
    :param port: the port to go with each.
    :param seconds: how long that may take. A lookup cannot be interrupted, so one with a limit is left behind in a
        thread when its time is up; by default it takes as long as the system lets it.
    :return: addresses with the port, in the system's order of preference.
    :raises socket.gaierror: when there is no such host, or no name server answers.
    :raises TimeoutError: when it takes too long.
    """

    def ask() -> list[tuple[str, int]]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # labels that are empty or too long do not even reach the name server
            raise socket.gaierror(socket.EAI_NONAME, "not a legal host name") from error
        return [(str(address[0]), port) for *_, address in found]

    if seconds is None:
        return ask()
    answers: queue.SimpleQueue[list[tuple[str, int]] | OSError] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(ask())
        except OSError as error:
            answers.put(error)

    threading.Thread(target=answer, name="icsftps-name-lookup", daemon=True).start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("the name lookup took too long") from None
    if isinstance(found, OSError):
        raise found
    return found


def tune(sock: socket.socket) -> None:
    """
    Send small packets at once: with Nagle's algorithm the end of every small upload waits for 40 ms (measured).

    :param sock: a TCP socket.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def keep_alive(sock: socket.socket) -> None:
    """
    Keep NAT and firewalls from forgetting the control connection during long transfers and waits.

    :param sock: a TCP socket.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):  # pragma: no branch - not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def wrapped(context: ssl.SSLContext, raw: socket.socket, server_hostname: str) -> ssl.SSLSocket:
    """
    Wrap a connected socket for TLS, without the handshake.

    When the peer has reset the connection by then, CPython raises from inside and leaves the new socket, which owns the
    descriptor, to the garbage collector; it is found in the traceback and closed.

    :param context: the TLS context.
    :param raw: a connected socket.
    :param server_hostname: whom the certificate must name.
    :return: the new socket, which owns the descriptor from now on.
    :raises OSError: when the connection is gone; then the descriptor is closed.
    """
    try:
        return context.wrap_socket(raw, server_hostname=server_hostname, do_handshake_on_connect=False)
    except OSError as error:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            left = frame.f_locals.get("self")
            if isinstance(left, ssl.SSLSocket):
                left.close()
        raise


def ready(readable: list[ssl.SSLSocket], writable: list[ssl.SSLSocket], seconds: float) -> set[int]:
    """
    Wait until one of these is ready, and return the descriptors of those that are.

    ``select.select`` would not do: it fails in a process with more than 1023 open files.

    :param readable: until there is something to read, or the other side is gone.
    :param writable: until there is room to write.
    :param seconds: how long at most; 0 does not wait.
    :return: none when the time is over.
    """
    poll = select.poll()
    for sock in readable:
        poll.register(sock, select.POLLIN)
    for sock in writable:
        poll.register(sock, select.POLLOUT)
    return {descriptor for descriptor, _ in poll.poll(int(seconds * 1000) + bool(seconds))}
