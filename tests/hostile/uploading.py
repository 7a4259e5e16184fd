"""What is uploaded in these tests, and how a gateway takes it."""

from __future__ import annotations

import io
import os

from scripted_server import Conversation
from usual_answers import receive

PATH = "/Manifest/a.xml"
CONTENT = os.urandom(300_000)


def upload(gateway, source=CONTENT):
    """File it as ``PATH``."""
    return gateway.upload(source, service="Manifest", file_name="a.xml")


class Endless(io.RawIOBase):
    """A source without an end, or with a bad one."""

    def __init__(self, blocks: int = 10_000, error: BaseException | None = None) -> None:
        super().__init__()
        self.blocks = blocks
        self.error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self.blocks == 0 and self.error is not None:
            raise self.error
        self.blocks -= 1
        return len(buffer)


def ending_with(*replies: str, drop: bool = False):
    """Take the whole upload, then say this."""

    def end(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        talk.server.endings.append(receive(data, bytearray()))
        data.close()
        if replies:
            talk.say(*replies)
        if drop:
            talk.drop()

    return end
