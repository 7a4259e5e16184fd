"""
A link with a round-trip time: two network namespaces joined by TUN devices, and a process that carries packets late.

The gateway's side has the address 127.0.0.1 there, so that certificates and settings are those of loopback; ours has
127.0.0.2. Nothing leaves the machine. It needs root on Linux; it works where the kernel has no netem.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import fcntl
import multiprocessing
import os
import select
import signal
import struct
import subprocess
import time
from contextlib import AbstractContextManager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Self

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_MTU = 1500
#: Before a packet is due, so much is waited actively: sleeping is not as exact.
_SPUN_SECONDS = 0.0002
_THEIRS, _OURS = "127.0.0.1", "127.0.0.2"
_libc = ctypes.CDLL(None, use_errno=True)


class Link(AbstractContextManager["Link"]):
    """
    The link. Inside of the ``with`` block this thread, and every process that it starts, is on our side.

    Processes on the gateway's side are started by :attr:`theirs` before their arguments.
    """

    def __init__(self) -> None:
        self._delay: Synchronized[float] = multiprocessing.get_context("fork").Value("d", 0.0)
        self._before = self._far = -1

    @staticmethod
    def missing() -> str:
        """Say why there can be none here, or nothing."""
        if not hasattr(_libc, "unshare"):
            return "a link with a round-trip time needs Linux"
        if os.getuid() != 0:
            return "a link with a round-trip time needs root, for network namespaces"
        try:
            os.close(os.open("/dev/net/tun", os.O_RDWR))
        except OSError as error:
            return f"a link with a round-trip time needs /dev/net/tun ({error.strerror})"
        tried = subprocess.run(["unshare", "--net", "ip", "link"], capture_output=True, text=True, check=False)
        return f"no network namespace can be made here: {tried.stderr.strip()}" if tried.returncode else ""

    def __enter__(self) -> Self:
        self._before = _namespace()
        try:
            far = _side("icsftps-far", _THEIRS, _OURS)
            self._far = _namespace()
            near = _side("icsftps-near", _OURS, _THEIRS)
        except BaseException:
            self._return()
            raise
        self._carrier = multiprocessing.get_context("fork").Process(
            target=_carry, args=(far, near, self._delay), daemon=True
        )
        self._carrier.start()
        os.close(far)
        os.close(near)
        return self

    def __exit__(self, *_: object) -> None:
        self._carrier.terminate()
        self._carrier.join()
        self._return()

    def _return(self) -> None:
        _enter(self._before)
        for descriptor in (self._before, self._far):
            if descriptor >= 0:
                os.close(descriptor)

    @property
    def theirs(self) -> list[str]:
        """What starts a process on the gateway's side."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self._far}"]

    @property
    def round_trip(self) -> float:
        """Seconds of a round trip."""
        return self._delay.value * 2

    @round_trip.setter
    def round_trip(self, seconds: float) -> None:
        self._delay.value = seconds / 2


def _namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _side(device: str, address: str, peer: str) -> int:
    """Move into a namespace of its own, with one TUN device in it; return the device's descriptor."""
    if _libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
    for scope in ("all", "default", device):
        for name, value in (("route_localnet", "1"), ("rp_filter", "0"), ("accept_local", "1")):
            Path(f"/proc/sys/net/ipv4/conf/{scope}/{name}").write_text(value)
    for command in (
        "link set lo up",
        f"addr add {address}/32 dev {device}",
        f"link set {device} up mtu {_MTU} txqueuelen 10000",
        "addr flush dev lo",  # 127.0.0.1 is on the other side
        f"route add {peer}/32 dev {device} src {address}",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    return tun


def _carry(far: int, near: int, delay: Synchronized[float]) -> None:
    """Carry packets both ways, each late by the delay, for ever."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    waiting: dict[int, collections.deque[tuple[float, bytes]]] = {far: collections.deque(), near: collections.deque()}
    while True:
        now, pause = time.monotonic(), 1.0
        for side, packets in waiting.items():
            other = near if side == far else far
            while packets and packets[0][0] <= now:
                with contextlib.suppress(OSError):  # a full queue drops it, as a router would
                    os.write(other, packets.popleft()[1])
            if packets:
                pause = min(pause, packets[0][0] - now)
        for side in select.select([far, near], [], [], max(0.0, pause - _SPUN_SECONDS))[0]:
            try:
                for _ in range(64):
                    waiting[side].append((time.monotonic() + delay.value, os.read(side, _MTU + 100)))
            except BlockingIOError:
                pass
