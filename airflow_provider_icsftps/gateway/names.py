"""
Names on the gateway: service folders and uploaded files.

The rules (docs/gateway.md says how sure each is):

* A file is uploaded to ``/<service>/<file name>``. Names may hold dots and underscores.
* A file name is unique for ever per certificate, rejected and failed uploads included. So a name that is the
  same on every retry of one task, and different for different content, is an idempotency key.
* Nothing that a server calls a file may become a path here: one segment, nothing that cannot be printed.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from dataclasses import dataclass
from pathlib import PurePosixPath

from airflow_provider_icsftps.exceptions import ConfigurationError, InvalidNameError

DEFAULT_OUTBOX = "/out"
#: Service that the gateway offers for pings.
HEARTBEAT_SERVICE = "FTPSGW.Heartbeat"
#: Generations of one filing: the name as it is, then ``-g2`` and ``-g3`` after transfers that were cut.
MAX_GENERATION = 3

_LONGEST_NAME = 255  # characters; a disk that takes fewer bytes says so itself, and an archive shortens names
_LONGEST_UPLOAD = 200  # bytes; a status file's name holds the file's and the service's, and must fit on a disk there
_DIGEST_CHARACTERS = 16  # 64 bits: one chance in a billion of two equal names among 190,000 filings
_LIKE_A_DIGIT = re.compile(r"(?:_[0-3])+\Z")  # how a status file's name ends, before ".xml"
_DANISH = str.maketrans(
    {"æ": "ae", "ø": "oe", "å": "aa", "Æ": "Ae", "Ø": "Oe", "Å": "Aa", "é": "e", "ü": "u", "ö": "o", "ä": "a"}
)


@dataclass(frozen=True)
class FileNameRule:
    """
    What a file name may look like on its way out.

    The default is narrower than anything the gateway is known to refuse; eKapital documents letters, digits
    and underscore, and 82 characters.

    :param characters: the legal characters, as the inside of a regular-expression class, for example
        ``A-Za-z0-9_``.
    :param max_length: the longest legal name, in characters, extension included; 32 to 200. No name may have more
        than 200 bytes either.
    :raises ConfigurationError: when the characters are no such class or could let a path through, or the length is
        another.
    """

    characters: str = "A-Za-z0-9_.-"
    max_length: int = 82

    def __post_init__(self) -> None:
        """Refuse a rule that could let a path or a command through."""
        # one plain set: no negation, no end of the set, nothing that Python warns it may read as set arithmetic
        if re.search(r"^\^|(?<!\\)[\[\]]|--|&&|\|\||~~", self.characters):
            raise ConfigurationError(
                f"File-name rule {self.characters!r} is no plain set of characters; write it like A-Za-z0-9_.-"
            )
        try:
            legal = re.compile(f"[{self.characters}]")
        except re.error as error:
            raise ConfigurationError(
                f"File-name rule {self.characters!r} is no set of characters ({error}); write it like A-Za-z0-9_.-"
            ) from error
        if any(legal.match(c) for c in "/\\\r\n\0"):
            raise ConfigurationError(f"File-name rule {self.characters!r} would allow path separators or line breaks")
        if not all(legal.match(c) for c in string.ascii_lowercase + string.digits):
            raise ConfigurationError(f"File-name rule {self.characters!r} must allow all letters a-z and digits")
        if self.max_length < _DIGEST_CHARACTERS + 16:
            raise ConfigurationError(
                f"File-name rule allows {self.max_length} characters; unique names need {_DIGEST_CHARACTERS + 16}"
            )
        if self.max_length > _LONGEST_UPLOAD:
            raise ConfigurationError(
                f"File-name rule allows {self.max_length} characters; {_LONGEST_UPLOAD} are the most, because a "
                "status file's name holds the file's and must not be too long either"
            )

    def allows(self, text: str) -> bool:
        """
        Say whether every character of a text is legal.

        :param text: such as a file name.
        """
        return re.fullmatch(f"[{self.characters}]*", text) is not None

    def legalise(self, text: str) -> str:
        """
        Replace what is not legal: Danish letters by their usual spelling, the rest by ``_`` (or nothing).

        :param text: such as the stem of a file's name.
        """
        filler = "_" if self.allows("_") else ""
        return re.sub(f"[^{self.characters}]", filler, text.translate(_DANISH))


def check_file_name(name: str, rule: FileNameRule | None = None) -> str:
    """
    Return a file name that may be sent.

    :param name: the name, without folder.
    :param rule: what is legal; by default :class:`FileNameRule`'s defaults.
    :raises InvalidNameError: with what is wrong.
    """
    rule = rule or FileNameRule()
    _check_segment(name, "File name")
    if len(name) > rule.max_length:
        raise InvalidNameError(f"File name {name!r} has {len(name)} characters; {rule.max_length} are allowed")
    if _bytes(name) > _LONGEST_UPLOAD:
        raise InvalidNameError(
            f"File name {name!r} has {_bytes(name)} bytes; {_LONGEST_UPLOAD} are the most, because a status file's "
            "name holds the file's and must not be too long either"
        )
    if not rule.allows(name):
        odd = "".join(dict.fromkeys(c for c in name if not rule.allows(c)))
        raise InvalidNameError(f"File name {name!r} holds {odd!r}; allowed are the characters {rule.characters}")
    return name


def check_own_name(name: str, rule: FileNameRule | None = None) -> str:
    """
    Return a name of the user's own choosing that may be sent.

    :param name: the name, without folder.
    :param rule: what is legal; by default :class:`FileNameRule`'s defaults.
    :raises InvalidNameError: also for a name that ends like a status file's digit: its answers could be taken for
        those of a file whose name is the part before.
    """
    if ending := _LIKE_A_DIGIT.search(name):
        raise InvalidNameError(
            f"File name {name!r} ends in {ending[0]!r} like a status file's digit, so its answers could not be told "
            "apart; rename it, or let names be made unique"
        )
    return check_file_name(name, rule)


def check_service(service: str) -> str:
    """
    Return a service-folder name that may be sent.

    :param service: such as ``Manifest``; letters, digits, ``_``, ``-`` and ``.``.
    :raises InvalidNameError: with what is wrong.
    """
    _check_segment(service, "Service")
    if re.fullmatch(r"[A-Za-z0-9_.-]+", service) is None:
        raise InvalidNameError(f"Service {service!r} may hold only letters, digits, '_', '-' and '.'")
    return service


def check_server_name(name: str) -> str:
    """
    Return a name from a server's listing if it is safe to use as the last part of a local path.

    Blanks and Danish letters are fine; a path, a dot name or what cannot be printed, such as a control character or
    a no-break space, is not.

    :param name: what the server called a file.
    :raises InvalidNameError: with what is wrong.
    """
    return _check_segment(name, "Name from the gateway")


def check_folder(path: str) -> str:
    """
    Return an absolute folder path on the gateway, without a slash at its end.

    :param path: such as ``/out``.
    :raises InvalidNameError: with what is wrong.
    """
    parts = PurePosixPath(path).parts
    if not path.startswith("/") or len(parts) < 2:
        raise InvalidNameError(f"Folder {path!r} must be absolute, like {DEFAULT_OUTBOX}")
    for part in parts[1:]:
        _check_segment(part, "Folder")
    return "/" + "/".join(parts[1:])


def _check_segment(name: str, what: str) -> str:
    if len(name) > _LONGEST_NAME:
        raise InvalidNameError(f"{what} {name[:40]!r}… has {len(name)} characters; {_LONGEST_NAME} is the most")
    if not name or name in {".", ".."}:
        raise InvalidNameError(f"{what} {name!r} is no name")
    if "/" in name or "\\" in name:
        raise InvalidNameError(f"{what} {name!r} holds a path separator")
    # "Cc" and the bidirectional "Cf" characters make a log lie; lone surrogates are undecodable bytes and stay
    if not name.isprintable() and any(not c.isprintable() and not "\ud800" <= c <= "\udfff" for c in name):
        raise InvalidNameError(f"{what} {name!r} holds a character that cannot be printed")
    return name


def _bytes(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))


def upload_name(
    source_name: str,
    scope: str,
    service: str,
    sha256: str,
    resubmission: int = 0,
    *,
    generation: int = 1,
    rule: FileNameRule | None = None,
) -> str:
    """
    Make the name under which a file is filed: ``<readable stem>-<digest>[-g<generation>]<suffix>``.

    The same arguments give the same name for ever: no clock, no random number, no counter. Other content,
    another run or another resubmission number gives another name.

    :param source_name: the user's file name; its stem and suffix are kept as far as they are legal and fit. A suffix
        that ends like a status file's digit (``.xml_1``) loses that ending: see :func:`check_own_name`.
    :param scope: who files: ``dag_id/task_id/run_id``. Never a map index: it is a position, and positions move.
    :param service: the service folder.
    :param sha256: SHA-256 of the content, 64 hexadecimal digits.
    :param resubmission: 0, or a higher number to file the same content again on purpose.
    :param generation: 1, or up to 3 after a transfer that is known to have been cut.
    :param rule: what is legal; by default :class:`FileNameRule`'s defaults.
    :raises InvalidNameError: when the digest, the service or a number is not as described.
    """
    rule = rule or FileNameRule()
    check_service(service)
    if not 1 <= generation <= MAX_GENERATION:
        raise InvalidNameError(f"generation is {generation}; it must be 1 to {MAX_GENERATION}")
    digest = upload_key(scope, service, sha256, resubmission)
    dash = next((c for c in "-_" if rule.allows(c)), "")
    ending = f"{dash}{digest}" + (f"{dash}g{generation}" if generation > 1 else "")
    base = PurePosixPath(source_name.replace("\\", "/")).name
    suffix = _LIKE_A_DIGIT.sub("", rule.legalise(PurePosixPath(base).suffix)[:12]).rstrip(".")
    if not suffix.startswith("."):  # without the dot it would read as part of the digest
        suffix = ""
    stem = rule.legalise(PurePosixPath(base).stem).strip("._-") or "file"
    if rule.max_length - len(ending) - len(suffix) < 1:
        suffix = ""  # a name must not begin with a dash
    room = rule.max_length - len(ending) - len(suffix)
    while _bytes(stem[:room] + ending + suffix) > _LONGEST_UPLOAD:
        room -= 1
    return check_file_name(f"{stem[:room].rstrip('._-')}{ending}{suffix}", rule)


def upload_key(scope: str, service: str, sha256: str, resubmission: int = 0) -> str:
    """
    Return what makes an upload's name the name of one filing, whatever the user calls the file.

    :param scope: who files: ``dag_id/task_id/run_id``.
    :param service: the service folder.
    :param sha256: SHA-256 of the content, 64 hexadecimal digits.
    :param resubmission: 0, or a higher number to file the same content again on purpose.
    :raises InvalidNameError: when the digest or the number is not as described.
    """
    if re.fullmatch(r"[0-9a-f]{64}", sha256) is None:
        raise InvalidNameError(f"SHA-256 {sha256!r} is not 64 hexadecimal digits")
    if resubmission < 0:
        raise InvalidNameError(f"resubmission is {resubmission}; it must be 0 or more")
    # JSON, because joined text would let ("a/b", "c") and ("a", "b/c") give one digest
    key = json.dumps([scope, service, sha256, resubmission], ensure_ascii=True)
    return hashlib.sha256(key.encode("ascii")).hexdigest()[:_DIGEST_CHARACTERS]
