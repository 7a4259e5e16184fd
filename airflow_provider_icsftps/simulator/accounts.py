"""Who may log in: registered certificates, usernames, passwords, and the lock after wrong passwords."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_icsftps.exceptions import InvalidNameError
from airflow_provider_icsftps.gateway.names import DEFAULT_OUTBOX, check_service


@dataclass
class Account:
    """
    One login.

    :param username: the gateway's name for the owner of the certificate.
    :param password: assigned by the gateway.
    :param services: the service folders it may file into.
    :param failures: wrong passwords since the last right one.
    :param locked: whether nobody gets in any more.
    """

    username: str
    password: str = field(repr=False)
    services: tuple[str, ...]
    failures: int = 0
    locked: bool = False


def service_folders(services: Sequence[str]) -> tuple[str, ...]:
    """
    Return the names of service folders if all can be some.

    :param services: the names.
    :raises TypeError: for one text: each of its letters would be a folder.
    :raises InvalidNameError: for a name that is none, or the outbox's.
    """
    if isinstance(services, str):
        raise TypeError(f"Service folders are given as a list, such as [{services!r}], and not as one text")
    for service in services:
        if check_service(service) == DEFAULT_OUTBOX.strip("/"):
            raise InvalidNameError(f"Service {service!r} would be the outbox; give it another name")
    return tuple(dict.fromkeys(services))


class Accounts:
    """
    The logins of one simulator. Not thread-safe by itself; the gateway's lock guards it.

    :param lock_after: wrong passwords that lock an account; ``None`` for never.
    """

    def __init__(self, lock_after: int | None = None) -> None:
        self.lock_after = lock_after
        self._accounts: dict[str, Account] = {}
        self._owners: dict[str, str] = {}

    def __getitem__(self, username: str) -> Account:
        """Return the account of a username."""
        return self._accounts[username]

    def __contains__(self, username: object) -> bool:
        """Say whether there is such an account."""
        return username in self._accounts

    @property
    def usernames(self) -> list[str]:
        """All usernames, in the order in which they were made."""
        return list(self._accounts)

    def add(self, account: Account) -> None:
        """
        Make or replace an account; a renewed certificate keeps its owner's.

        :param account: the account.
        """
        self._accounts[account.username] = account

    def register(self, fingerprint: str, username: str) -> None:
        """
        Register a certificate.

        :param fingerprint: its SHA-256 fingerprint.
        :param username: whose it is.
        """
        self._owners[fingerprint] = username

    def refusal(self, fingerprint: str, username: str, password: str) -> str | None:
        """
        Check a login and count wrong passwords.

        :param fingerprint: of the certificate that was shown.
        :param username: as sent.
        :param password: as sent.
        :return: why it is refused, or ``None`` when it is not.
        """
        owner = self._owners.get(fingerprint)
        if owner is None:
            return "Certificate is not registered."
        account = self._accounts[owner]
        if username != owner:
            return "Username does not belong to the certificate."
        if account.locked:
            return "Account locked."
        if not hmac.compare_digest(password.encode(), account.password.encode()):
            account.failures += 1
            account.locked = self.lock_after is not None and account.failures >= self.lock_after
            return "Account locked." if account.locked else "Login incorrect."
        account.failures = 0
        return None
