"""What a gateway that does everything right answers, and how its data connections end."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct


def reset(sock: socket.socket) -> None:
    """Close with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _was_reset(sock: socket.socket) -> bool:
    # ssl does not tell a reset from an end; the kernel does: after a reset the state is CLOSE, else CLOSE_WAIT
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x07"


def receive(data: ssl.SSLSocket, into: bytearray, limit: int | None = None) -> str:
    """Receive to the end and say how it ended: ``close_notify``, ``fin`` or ``reset``; ``limit`` if that came first."""
    while limit is None or len(into) < limit:
        try:
            block = data.recv(65536)
        except (ssl.SSLEOFError, ConnectionResetError):
            return "reset" if _was_reset(data) else "fin"
        if not block:
            return "close_notify"
        into += block
    return "limit"


class UsualAnswers:
    """The half of a conversation that is as it should be; the other half talks."""

    def do_auth(self, argument: str) -> None:
        self.say("234 go on")
        self.start_tls()

    def do_user(self, argument: str) -> None:
        self.say("331 password, please")

    def do_pass(self, argument: str) -> None:
        self.say("230 welcome")

    def do_pbsz(self, argument: str) -> None:
        self.say("200 fine")

    do_prot = do_type = do_pbsz

    def do_pasv(self, argument: str) -> None:
        high, low = divmod(self.listen_for_data(), 256)
        self.say(f"227 Entering Passive Mode (127,0,0,1,{high},{low})")

    def do_epsv(self, argument: str) -> None:
        self.say(f"229 Entering Extended Passive Mode (|||{self.listen_for_data()}|)")

    def do_stor(self, path: str) -> None:
        self.say("150 send it")
        data, content = self.accept_data(), bytearray()
        ending = receive(data, content)
        self.server.endings.append(ending)
        self.server.files[path] = bytes(content)
        if ending == "close_notify":
            with contextlib.suppress(OSError):
                data.unwrap()
        data.close()
        self.say("226 got it" if ending == "close_notify" else "426 cut off")

    def do_retr(self, path: str) -> None:
        if path not in self.server.files:
            self.say("550 no such file")
        else:
            self.send(self.server.files[path])
            self.say("226 that was it")

    def do_mlsd(self, folder: str) -> None:
        found = self._within(folder)
        self.send("".join(f"type=file;size={len(found[name])}; {name}\r\n" for name in found).encode())
        self.say("226 that was it")

    def do_list(self, folder: str) -> None:
        found = self._within(folder)
        lines = [f"-rw-r--r-- 1 ftp ftp {len(found[name])} Nov 01 10:00 {name}\r\n" for name in found]
        self.send("".join(lines).encode())
        self.say("226 that was it")

    def do_nlst(self, folder: str) -> None:
        self.send("".join(f"{folder}/{name}\r\n" for name in self._within(folder)).encode())
        self.say("226 that was it")

    def do_size(self, path: str) -> None:
        known = self.server.files.get(path)
        self.say("550 no such file" if known is None else f"213 {len(known)}")

    def do_mdtm(self, path: str) -> None:
        self.say("213 20261101100000")

    def do_dele(self, path: str) -> None:
        self.say("550 no such file" if self.server.files.pop(path, None) is None else "250 gone")

    def do_abor(self, argument: str) -> None:
        self.say("226 nothing left to abort")

    def do_quit(self, argument: str) -> None:
        self.say("221 bye")
        self._over = True

    def do_unknown(self, argument: str) -> None:
        self.say("500 what?")

    def _within(self, folder: str) -> dict[str, bytes]:
        prefix = f"{folder}/"
        return {p.removeprefix(prefix): content for p, content in self.server.files.items() if p.startswith(prefix)}
