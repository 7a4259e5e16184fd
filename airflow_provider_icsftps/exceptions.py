"""
Every error of this package, cut by whose move it is.

::

    IcsFtpsError
    ├── ConfigurationError (ValueError)        yours, before a byte is sent
    │   ├── InvalidNameError                   a file or service name that may not go out, or may not come in
    │   ├── CertificateError                   the client certificate cannot be read or used; .reason
    │   └── ReadOnlyGatewayError               an upload to a gateway that only gives out files
    ├── GatewayUnavailableError (ConnectionError)  the network's or the gateway's; retryable
    │   └── GatewayTimeoutError (TimeoutError)
    ├── GatewayRefusedError                    the gateway said no (5xx); .command .code .text
    │   ├── LoginRefusedError                  530, a no to the login, or the client certificate turned down
    │   └── FileNotAvailableError              550: no such file, or not for you
    ├── UntrustedGatewayError                  we said no: the gateway's own certificate or TLS version
    ├── GatewayProtocolError                   a reply or file that cannot be read
    │   └── StatusFileError
    ├── TransferError                          a file cut short, or not what was announced; retryable; .local .rejected
    ├── NameAlreadyUsedError                   the name was used before and nothing shows by whom
    ├── IncompleteArchiveError                 the archive does not know of all files of a span of time
    └── SubmissionRejectedError                customs turned the file down; .error_code .message .resolution

Every error is one line (what was tried, on what, what came back, what to do), holds no secret, and survives
pickling and a trigger's event.
"""

from __future__ import annotations

from typing import Any, ClassVar

MAX_MESSAGE = 2000


def one_line(text: str) -> str:
    """
    Make text from anywhere fit for one line of a log: no control characters, no line breaks, bounded length.

    :param text: any text, a server's reply included.
    """
    text = text[: 10 * MAX_MESSAGE]  # a server can say a lot
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MAX_MESSAGE else f"{line[: MAX_MESSAGE - 1]}…"


class IcsFtpsError(Exception):
    """
    Root of all errors of this package.

    :param message: one line: what was tried, on what, what came back, what to do.
    """

    #: Whether the same call may succeed later without anybody changing anything.
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))

    def to_data(self) -> dict[str, Any]:
        """Return the error as JSON-able data (a trigger's event): ``error``, ``message`` and ``details``."""
        return {"error": type(self).__name__, "message": str(self), "details": dict(self.__dict__)}

    @staticmethod
    def from_data(data: dict[str, Any]) -> IcsFtpsError:
        """
        Make the error that :meth:`to_data` described.

        :param data: what :meth:`to_data` returned, perhaps through JSON; an unknown class gives the root class.
        """
        found = _subclasses(IcsFtpsError).get(data["error"], IcsFtpsError)
        error = found(data["message"])
        error.__dict__.update(data.get("details") or {})
        return error


def _subclasses(cls: type[IcsFtpsError]) -> dict[str, type[IcsFtpsError]]:
    found = {cls.__name__: cls}
    for sub in cls.__subclasses__():
        found |= _subclasses(sub)
    return found


class ConfigurationError(IcsFtpsError, ValueError):
    """A setting or argument is wrong; found before a byte is sent."""


class InvalidNameError(ConfigurationError):
    """A file or service name that must not be sent, or a name from the gateway that must not be used here."""


class CertificateError(ConfigurationError):
    """
    The client certificate cannot be read or must not be used.

    :param message: what is wrong and what to do.
    :param reason: one of ``unreadable``, ``passphrase``, ``no_key``, ``no_certificate``, ``expired``,
        ``not_yet_valid``, ``unusable``, ``environment``, ``username``.
    """

    def __init__(self, message: str, *, reason: str = "unreadable") -> None:
        super().__init__(message)
        self.reason = reason


class ReadOnlyGatewayError(ConfigurationError):
    """The gateway (or the connection) is for downloads only; refused before connecting."""


class GatewayUnavailableError(IcsFtpsError, ConnectionError):
    """Refused, cut off, or told to come back later (4xx, 421). Worth another try later."""

    retryable = True


class GatewayTimeoutError(GatewayUnavailableError, TimeoutError):
    """A connection or socket operation took longer than its limit."""


class GatewayRefusedError(IcsFtpsError):
    """
    The gateway answered with a permanent no.

    :param message: the whole line.
    :param command: the command that was refused, arguments that are secret left out.
    :param code: the reply code, 0 where there was none.
    :param text: the gateway's own words.
    """

    def __init__(self, message: str, *, command: str = "", code: int = 0, text: str = "") -> None:
        super().__init__(message)
        self.command = command
        self.code = code
        self.text = one_line(text)


class LoginRefusedError(GatewayRefusedError):
    """Username, password or certificate were turned down. Never repeated by itself: accounts lock."""


class FileNotAvailableError(GatewayRefusedError):
    """Reply 550: there is no such file or folder, or this certificate may not have it."""


class UntrustedGatewayError(IcsFtpsError):
    """The gateway could not prove who it is, or speaks no TLS 1.2; nothing was sent to it."""


class GatewayProtocolError(IcsFtpsError):
    """The gateway answered something that no FTPS gateway should."""


class StatusFileError(GatewayProtocolError):
    """A status file that is no status file: not XML, not complete, or unsafe to read."""


class TransferError(IcsFtpsError):
    """
    A file was cut short, or is not what was announced. Worth another try: what is whole is known.

    :param message: the whole line.
    :param local: whether the fault is on this machine (a file that cannot be read or written, or that changed).
    :param rejected: whether customs turned down a copy that may have been cut: the upload must be run again.
    """

    retryable = True

    def __init__(self, message: str, *, local: bool = False, rejected: bool = False) -> None:
        super().__init__(message)
        self.local = local
        self.rejected = rejected


class NameAlreadyUsedError(IcsFtpsError):
    """The gateway has seen this file name before, and nothing shows that it was this task."""


class IncompleteArchiveError(IcsFtpsError):
    """The archive cannot answer for all of the time that it was asked about, and the task wants it whole."""


class SubmissionRejectedError(IcsFtpsError):
    """
    The gateway or the customs system turned a file down (a digit-0 status file).

    :param message: the whole line.
    :param error_code: the gateway's code, such as ``LAST_RECORD_INCORRECT``.
    :param error_message: the gateway's words.
    :param resolution: what the gateway says to do.
    """

    def __init__(self, message: str, *, error_code: str = "", error_message: str = "", resolution: str = "") -> None:
        super().__init__(message)
        self.error_code = one_line(error_code)
        self.message = one_line(error_message)
        self.resolution = one_line(resolution)
