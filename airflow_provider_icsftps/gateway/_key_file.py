"""A file for OpenSSL, which reads keys from nothing else; on Linux one that is only in memory."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def readable_by_openssl(data: bytes) -> Iterator[str]:
    """
    Give the path of a file that holds some data and is gone after the block.

    :param data: what it holds; a key in it should be encrypted.
    :return: the path, for this process.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:  # pragma: no cover - other systems than Linux
        with tempfile.NamedTemporaryFile(prefix="icsftps-") as file:  # made with mode 0600
            file.write(data)
            file.flush()
            yield file.name
