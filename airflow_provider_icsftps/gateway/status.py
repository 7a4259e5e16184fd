"""
Status files: the gateway's word on what became of an upload.

The rules (docs/gateway.md says how sure each is):

* The digit at the end of the file's *name* decides; ``status.code`` inside is documented as OK or ERROR and has
  been seen as a sentence.
* XML, UTF-8, no namespace. ``error`` and ``response`` stand under ``file`` or beside it; the transaction id is
  spelled in two ways. Stray blanks are stripped and unknown elements ignored.
* ``timestamp`` is ``yyyyMMddHHmmss`` without a zone: Danish local time.
* A file comes from outside, so entities and document types are refused (defusedxml).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from airflow_provider_icsftps.exceptions import StatusFileError

#: The zone of a status file's timestamp.
GATEWAY_ZONE = "Europe/Copenhagen"
#: The digit-0 code for a file name that was used before.
NAME_REUSED = "FILENAME_CANNOT_BE_REUSED_FOR_TRANSACTION"
#: No status file is larger; what is, is not read.
MAX_STATUS_BYTES = 1024 * 1024


class StatusCode(IntEnum):
    """The digit at the end of a status file's name."""

    #: An error; the file was not delivered.
    ERROR = 0
    #: Delivered to the customs system.
    DELIVERED = 1
    #: Accepted by the customs system.
    ACCEPTED = 2
    #: A file was laid in the outbox: a response, or an unrelated outgoing file.
    RESPONSE = 3


@dataclass(frozen=True, kw_only=True)
class StatusFile:
    """
    One status file.

    :param code: from the digit in the file's name.
    :param service: service folder of the upload.
    :param path: full path of the uploaded file on the server (``filename`` on the wire).
    :param transaction_id: ``FTPTransaktionsId`` on the wire; the gateway puts the uploaded file's name there.
    :param skat_transaction_id: ``SKATTransactionId`` (also spelled ``SKATTransaktionsId``).
    :param timestamp: when the gateway says it happened, with its zone; ``None`` where the file says nothing.
    :param text: ``status.code``: OK, ERROR or a sentence.
    :param responses: names of the files laid in the outbox, without folders (digit 3).
    :param error_code: such as :data:`NAME_REUSED` (digit 0).
    :param error_message: the gateway's words (digit 0).
    :param error_resolution: what the gateway says to do (digit 0).
    """

    code: StatusCode
    service: str = ""
    path: str = ""
    transaction_id: str = ""
    skat_transaction_id: str = ""
    timestamp: datetime | None = None
    text: str = ""
    responses: tuple[str, ...] = ()
    error_code: str = ""
    error_message: str = ""
    error_resolution: str = ""

    @property
    def name_was_used(self) -> bool:
        """Whether this is the digit-0 file that says that the file name was used before."""
        return self.code is StatusCode.ERROR and self.error_code == NAME_REUSED

    @classmethod
    def from_xml(cls, data: bytes, code: StatusCode | int) -> StatusFile:
        """
        Read a status file.

        :param data: the file's content.
        :param code: the digit from the file's name.
        :raises StatusFileError: when it is no XML, holds entities or a document type, is too large, has no
            ``file`` element, or holds a timestamp that is none.
        :raises ValueError: when the digit is none of 0 to 3.
        """
        if len(data) > MAX_STATUS_BYTES:
            raise StatusFileError(f"Status file has {len(data)} bytes; more than {MAX_STATUS_BYTES} are not read")
        try:
            root = fromstring(data, forbid_dtd=True)
        except DefusedXmlException as error:
            raise StatusFileError(f"Status file is unsafe to read: {type(error).__name__}") from error
        except (ParseError, LookupError, ValueError) as error:
            raise StatusFileError(f"Status file is no XML: {error}") from error
        file = _find(root, "file")
        if file is None:
            raise StatusFileError(f"Status file has no <file> element; its root is <{_local(root)}>")
        stamp = _text(root, "timestamp")
        return cls(
            code=StatusCode(code),
            service=_text(root, "service"),
            # a direct child: a response holds a filename, too, and may stand before it
            path=next(((e.text or "").strip() for e in file if _local(e) == "filename"), ""),
            transaction_id=_text(root, "FTPTransaktionsId"),
            skat_transaction_id=_text(root, "SKATTransactionId") or _text(root, "SKATTransaktionsId"),
            timestamp=parse_timestamp(stamp) if stamp else None,
            text=_text(root, "status.code"),
            responses=tuple(
                name
                for element in root.iter()
                if _local(element) == "response" and (name := _text(element, "filename").rpartition("/")[2])
            ),
            error_code=_text(root, "error.code"),
            error_message=_text(root, "error.message"),
            error_resolution=_text(root, "error.resolution"),
        )

    def to_xml(self) -> bytes:
        """Write the status file as the gateway does; :meth:`from_xml` reads the same values back."""
        root = Element("status")
        file = SubElement(root, "file")
        values = {
            "filename": self.path,
            "FTPTransaktionsId": self.transaction_id,
            "SKATTransactionId": self.skat_transaction_id,
            "timestamp": format_timestamp(self.timestamp) if self.timestamp else "",
            "status.code": self.text,
            "service": self.service,
        }
        for tag, value in values.items():
            SubElement(file, tag).text = value
        for name in self.responses:
            SubElement(SubElement(file, "response"), "filename").text = name
        if self.error_code or self.error_message or self.error_resolution:
            error = SubElement(file, "error")
            SubElement(error, "error.code").text = self.error_code
            SubElement(error, "error.message").text = self.error_message
            SubElement(error, "error.resolution").text = self.error_resolution
        indent(root)
        body = tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n{body}\n'.encode()

    def to_data(self) -> dict[str, Any]:
        """Return what a data team asks for, JSON-able: digit, code, timestamp (ISO 8601), text, error, responses."""
        data: dict[str, Any] = {
            "digit": int(self.code),
            "code": self.code.name.lower(),
            "timestamp": self.timestamp.isoformat() if self.timestamp else None,
            "text": self.text,
        }
        if self.responses:
            data["responses"] = list(self.responses)
        if self.code is StatusCode.ERROR:
            data |= {
                "error_code": self.error_code,
                "error_message": self.error_message,
                "error_resolution": self.error_resolution,
            }
        return data


def parse_timestamp(text: str) -> datetime:
    """
    Read ``yyyyMMddHHmmss`` as Danish local time.

    In the doubled hour of October the later (winter-time) reading is taken; the file does not tell which it was.

    :param text: 14 digits.
    :raises StatusFileError: for anything else.
    """
    import pendulum  # here, because it costs a third of this library's import time

    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise StatusFileError(f"Timestamp {text!r} is not yyyyMMddHHmmss")
    try:
        return pendulum.from_format(text, "YYYYMMDDHHmmss", tz=GATEWAY_ZONE)
    except ValueError as error:
        raise StatusFileError(f"Timestamp {text!r} is no date and time: {error}") from error


def format_timestamp(moment: datetime) -> str:
    """
    Write a moment as the gateway does: ``yyyyMMddHHmmss`` in Danish local time.

    :param moment: an aware datetime.
    """
    import pendulum

    return pendulum.instance(moment).in_timezone(GATEWAY_ZONE).format("YYYYMMDDHHmmss")


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _find(root: Element, tag: str) -> Element | None:
    return next((element for element in root.iter() if _local(element) == tag), None)


def _text(root: Element, tag: str) -> str:
    found = _find(root, tag)
    return (found.text or "").strip() if found is not None else ""
