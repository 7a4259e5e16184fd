"""
The parts of pyftpdlib that the simulator builds on.

Imported here and nowhere else, because on Python 3.11 pyftpdlib's import of asyncore and asynchat warns: users of the
simulator cannot do anything about it, and in a test suite that treats warnings as errors it would be one.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib import ioloop
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import FTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

PassiveDTP = FTPHandler.passive_dtp
#: Nothing to read yet; pyftpdlib 2.0 names it without the underscore.
RetryError = getattr(ioloop, "_RetryError", None) or ioloop.RetryError

__all__ = [
    "AbstractedFS",
    "FTPServer",
    "IOLoop",
    "PassiveDTP",
    "RetryError",
    "TLS_DTPHandler",
    "TLS_FTPHandler",
]
