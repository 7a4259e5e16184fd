"""All that is needed to connect: one frozen value, checked when it is made."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from functools import cached_property

from airflow_provider_icsftps.exceptions import CertificateError, ConfigurationError, ReadOnlyGatewayError
from airflow_provider_icsftps.gateway.certificates import ClientCertificate
from airflow_provider_icsftps.gateway.names import DEFAULT_OUTBOX, FileNameRule, check_folder

DEFAULT_PORT = 6381
#: More would be rude to a gateway that many share.
MAX_SESSIONS = 16


@dataclass(frozen=True)
class Environment:
    """
    A gateway of the authority; docs/gateway.md says how sure each value is.

    :param name: as the connection calls it.
    :param host: host name.
    :param port: control port.
    :param data_ports: first and last passive data port, for a firewall.
    :param read_only: whether it only gives out files.
    """

    name: str
    host: str
    port: int
    data_ports: tuple[int, int]
    read_only: bool = False


#: The endpoints that the authority names (docs/gateway.md says how sure each is), by the name of the environment.
ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("production", "secureftpgateway.skat.dk", DEFAULT_PORT, (36000, 39999)),
        Environment("tfe", "secureftpgatewaytest.skat.dk", DEFAULT_PORT, (36000, 39999)),
        Environment("legacy", "secureftpgateway.skat.dk", 6371, (35000, 35100), read_only=True),
    )
}


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """
    How to reach one gateway as one certificate.

    :param host: host name; by default the environment's.
    :param port: control port; by default the environment's, else 6381.
    :param certificate: who we are.
    :param password: assigned by the gateway's certificate portal.
    :param username: by default the certificate's.
    :param environment: ``production``, ``tfe`` or ``legacy`` for host, port and ``read_only`` of
        :data:`ENVIRONMENTS` (its data ports are for a firewall, and not enforced); ``None`` for a gateway of one's own.
    :param ca_pem: PEM text of the CAs that may vouch for the gateway; by default the system's.
    :param connect_timeout: seconds for the TCP connection and each TLS handshake.
    :param timeout: seconds for each reply on the control connection.
    :param data_timeout: seconds of silence on a data connection: within them 16 KB must come, or the end, and the
        gateway must take 256 KB. A listing must be whole within ten times as many.
    :param completion_timeout: seconds from the last byte of a transfer to the gateway's word on it.
    :param outbox: folder of status and response files.
    :param file_name_rule: what uploaded files may be called.
    :param read_only: refuse uploads and deletions; always so for ``legacy``.
    :param data_ports: first and last passive data port; a gateway that names another is not followed. By default
        every port is.
    :param encoding: of names on the control connection and in listings.
    :param sessions: how many sessions there may be at a time for many files, 1 to 16.
    :raises ConfigurationError: when a value makes no sense.
    :raises CertificateError: when the certificate is not for the environment, or gives no username and none was
        given.
    """

    certificate: ClientCertificate
    password: str = field(repr=False)
    host: str = ""
    port: int = 0
    username: str = ""
    environment: str | None = None
    ca_pem: str | None = field(default=None, repr=False)
    connect_timeout: float = 15.0
    timeout: float = 30.0
    data_timeout: float = 60.0
    completion_timeout: float = 120.0
    outbox: str = DEFAULT_OUTBOX
    file_name_rule: FileNameRule = field(default_factory=FileNameRule)
    read_only: bool = False
    data_ports: tuple[int, int] | None = None
    encoding: str = "utf-8"
    sessions: int = 4

    def __post_init__(self) -> None:
        """Fill in what follows from the environment and the certificate, and check the rest."""
        known = None
        if self.environment is not None:
            known = ENVIRONMENTS.get(self.environment)
            if known is None:
                raise ConfigurationError(
                    f"Environment {self.environment!r} is none of {', '.join(ENVIRONMENTS)}; "
                    "leave it out and give a host for another gateway"
                )
            self._check_certificate_environment(known)
        self._set("host", self.host or (known.host if known else ""))
        self._set("port", self.port or (known.port if known else DEFAULT_PORT))
        self._set("read_only", self.read_only or bool(known and known.read_only))
        self._set("username", self.username or self.certificate.username or "")
        self._set("outbox", check_folder(self.outbox))
        if not self.host:
            raise ConfigurationError(f"No gateway host: give one, or an environment ({', '.join(ENVIRONMENTS)})")
        if not self.username:
            raise CertificateError(
                f"Client certificate {self.certificate.subject!r} is no OCES certificate, so no username follows "
                "from it; give the username",
                reason="username",
            )
        if not self.password:
            raise ConfigurationError(f"No password for {self.username}; it comes from the certificate portal")
        for what, text in (("Host", self.host), ("Username", self.username), ("Password", self.password)):
            if any(ord(c) < 32 or ord(c) == 127 for c in text):
                raise ConfigurationError(f"{what} holds a control character (a line break pasted along?)")
        if not _is_host(self.host):
            shown = self.host.rpartition("@")[2][:100]  # a password may stand before that, as in a URL
            raise ConfigurationError(
                f"Host {shown!r} is no host name or address; write it like secureftpgateway.skat.dk, without ftps:// "
                "before it or a port behind it: that has a field of its own"
            )
        if not 0 < self.port < 65536:
            raise ConfigurationError(f"Port {self.port} is not between 1 and 65535")
        for name in ("connect_timeout", "timeout", "data_timeout", "completion_timeout"):
            if not 0 < getattr(self, name) <= 86400:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be seconds, above 0, at most a day")
        if self.ca_pem is not None:  # told now, with the connection; and an empty text is no wish to trust all
            _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.ca_pem)
        if not _is_text_encoding(self.encoding):
            raise ConfigurationError(f"encoding is {self.encoding!r}; it must be one that extends ASCII, such as utf-8")
        for what, text in (("Username", self.username), ("Password", self.password)):
            if not _can_encode(text, self.encoding):
                raise ConfigurationError(
                    f"{what} holds a character that {self.encoding} does not have; correct it, or the encoding"
                )
        if not 1 <= self.sessions <= MAX_SESSIONS:
            raise ConfigurationError(f"sessions is {self.sessions}; it must be 1 to {MAX_SESSIONS}")
        if self.data_ports and not 0 < self.data_ports[0] <= self.data_ports[1] < 65536:
            raise ConfigurationError(f"Data ports {self.data_ports[0]}-{self.data_ports[1]} are no port range")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the one way to fill in a default on a frozen value

    def _check_certificate_environment(self, gateway: Environment) -> None:
        theirs = "tfe" if gateway.name == "tfe" else "production"
        ours = self.certificate.environment
        if ours is not None and ours != theirs:
            kinds = {"tfe": "test", "production": "production"}
            raise CertificateError(
                f"Client certificate of {self.certificate.username or self.certificate.subject} is a {kinds[ours]} "
                f"certificate; the gateway {gateway.name!r} takes only {kinds[theirs]} certificates",
                reason="environment",
            )

    @property
    def address(self) -> str:
        """``host:port``, for messages; an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def check_writable(self) -> None:
        """
        Refuse when nothing may be uploaded or deleted.

        :raises ReadOnlyGatewayError: for a read-only gateway.
        """
        if self.read_only:
            raise ReadOnlyGatewayError(
                f"Gateway {self.address} is read-only here ({self.environment or 'read_only is set'}): "
                "files can be downloaded, not uploaded or deleted"
            )

    @cached_property
    def tls_context(self) -> ssl.SSLContext:
        """
        The TLS context of every connection made with these settings: exactly TLS 1.2, certificates checked.

        Kept, because TLS sessions can be resumed only within one context.

        :raises CertificateError: when OpenSSL does not take the client certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and host name
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION  # who the gateway is does not change in the middle
        if self.ca_pem is None:
            context.load_default_certs()
        else:
            _load_authorities(context, self.ca_pem)
        self.certificate.load_into(context)
        return context


def _is_host(text: str) -> bool:
    """Tell a name or address from a URL, or from a host with its port; a lookup would fail, and be tried again."""
    if ":" not in text:
        return re.search(r"[\s/@\\\[\]]", text) is None
    try:
        return ipaddress.ip_address(text).version == 6  # with a zone, too: fe80::1%eth0
    except ValueError:
        return False


def _is_text_encoding(name: str) -> bool:
    try:
        return "status_1.xml\r\n".encode(name) == b"status_1.xml\r\n"
    except (LookupError, ValueError):  # ValueError: a null character in it
        return False


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeError:
        return False
    return True


def _load_authorities(context: ssl.SSLContext, text: str) -> None:
    try:
        context.load_verify_locations(cadata=_certificates_in(text))
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise ConfigurationError(
            "CA certificates (ca_pem, ca_file) cannot be read; they must be PEM text, with BEGIN and END lines"
        ) from error


def _certificates_in(text: str) -> str:
    """Leave out what stands between certificates: comments need not be ASCII, and OpenSSL's reader wants ASCII."""
    blocks = re.findall("-----BEGIN [A-Z ]*CERTIFICATE-----[^-]+-----END [A-Z ]*CERTIFICATE-----", text)
    return "\n".join(blocks) or "none"
