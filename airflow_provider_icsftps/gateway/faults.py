"""
What can be wrong between this machine and a gateway: each fault with its sentence, and who can mend it.

The sentences stand here and nowhere else; docs/troubleshooting.md shows this table. Words in braces are filled in
where a fault is found (:mod:`~airflow_provider_icsftps.gateway.diagnosis`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mender(StrEnum):
    """Who can mend a fault."""

    YOU = "you"
    NETWORK = "your network or firewall people"
    SUPPORT = "the gateway's support"
    PORTAL = "the certificate portal"


@dataclass(frozen=True)
class Fault:
    """
    One thing that can be wrong.

    :param key: its name, for machines.
    :param step: the step at which it shows; empty when that may be any.
    :param mender: who can mend it.
    :param sentence: what is wrong and what to do, with words in braces to be filled in.
    """

    key: str
    step: str
    mender: Mender
    sentence: str


_YOU, _NETWORK, _SUPPORT, _PORTAL = Mender.YOU, Mender.NETWORK, Mender.SUPPORT, Mender.PORTAL

#: By step, in their order, and by key.
_TABLE: dict[str, dict[str, tuple[Mender, str]]] = {
    # before a byte is sent
    "connection": {
        "incomplete": (_YOU, "The connection cannot be used as it is: {error}"),
        "certificate_unreadable": (
            _YOU,
            "The client certificate cannot be read; put the .p12 file in again as it was issued. {error}",
        ),
        "wrong_passphrase": (
            _YOU,
            "The passphrase does not open the client certificate; it is the one that came with the .p12 file, not the "
            "gateway's password",
        ),
        "no_private_key": (
            _YOU,
            "The client certificate comes without its private key; have it exported again, with the key",
        ),
        "no_certificate": (
            _YOU,
            "There is a private key, but no certificate that belongs to it; have both exported again, in one file",
        ),
        "wrong_environment": (_YOU, "Test and production are mixed up. {error}"),
        "no_username": (
            _YOU,
            "The client certificate is not OCES, so no username follows from it; fill in the username that you were "
            "given",
        ),
    },
    "certificate file": {
        "certificate_expired": (
            _YOU,
            "The client certificate of {username} expired on {not_after}; order a new one and put its .p12 into the "
            "connection",
        ),
        "certificate_not_yet_valid": (
            _YOU,
            "The client certificate of {username} is valid only from {not_before} on; wait for it, or set this "
            "machine's clock",
        ),
        "certificate_unusable": (
            _YOU,
            "The client certificate can be read, and is not good enough to be used. {error}",
        ),
    },
    # the way there
    "name lookup": {
        "host_unknown": (
            _YOU,
            "There is no host called {host}; correct it, or leave it empty and name the environment",
        ),
        "name_server_silent": (_NETWORK, "No name server answers, so this machine cannot look up {host}; it needs DNS"),
    },
    "TCP connection": {
        "port_closed": (
            _YOU,
            "Nothing listens on port {port} of {host}; correct the port (6381, the old gateway 6371). If it is right, "
            "ask the gateway's support whether the gateway is down",
        ),
        "port_filtered": (
            _NETWORK,
            "No answer from {address}: a firewall swallows the connection. Open outgoing TCP to {host}, port {port} "
            "and {ports}",
        ),
        "unreachable": (
            _NETWORK,
            "This machine has no way to {address} ({reason}); it needs a route there, past any firewall",
        ),
    },
    "greeting": {
        "closed_at_once": (
            _NETWORK,
            "{address} closes the connection without a word: a proxy or firewall is between, or this machine's "
            "address is not let in",
        ),
        "silent": (
            _NETWORK,
            "{address} takes the connection and says nothing: a proxy or firewall is between, or the port is that of "
            "something else",
        ),
        "implicit_tls": (
            _YOU,
            "{address} begins with TLS at once (implicit FTPS); the gateway is one that is asked for TLS (explicit "
            "FTPS). Correct host and port",
        ),
        "not_ftp": (_YOU, "{address} is no FTP server; it says {text}. Correct host and port"),
        "busy": (_SUPPORT, "The gateway takes no connections now: {text}. Try later; a service window may be on"),
    },
    # TLS
    "AUTH TLS": {
        "no_tls": (_YOU, "{address} is an FTP server without TLS: {text}. No username was sent. Correct host and port"),
        "text_in_clear": (
            _NETWORK,
            "Somebody on the way to {address} adds text in clear before TLS begins; nothing was sent. Find out who",
        ),
    },
    "TLS version": {
        "tls_too_old": (
            _SUPPORT,
            "{address} speaks only versions of TLS older than 1.2, which are not safe; the gateway should speak 1.2",
        ),
        "tls_too_new": (
            _SUPPORT,
            "{address} does not take TLS 1.2, only newer versions it seems; ask whether the gateway has changed",
        ),
        "no_common_cipher": (
            _SUPPORT,
            "{address} and this machine have no cipher of TLS 1.2 in common; the gateway's are too old",
        ),
        "tls_unsafe": (_SUPPORT, "{address} offers TLS 1.2 in a way that is not safe; it should be updated. {error}"),
        "not_tls": (
            _NETWORK,
            "{address} answers the TLS handshake with something else than TLS; a proxy or firewall meddles",
        ),
        "handshake_cut": (
            _NETWORK,
            "The TLS handshake with {address} is cut off; a firewall that looks into TLS does that. {error}",
        ),
    },
    "server certificate": {
        "server_ca_unknown": (
            _YOU,
            "The authority behind the certificate of {host} is not known here ({reason}). Put a private CA into "
            "ca_pem; if the authority is your own company's, a proxy opens the connection and must be told not to",
        ),
        "server_other_host": (
            _YOU,
            "The server's certificate is not for {host}; use the host name, not an address or another name of it",
        ),
        "server_expired": (
            _SUPPORT,
            "The certificate of {host} has expired, if this machine's clock is right: it says {now}",
        ),
        "server_not_yet_valid": (
            _YOU,
            "The certificate of {host} is not valid yet; this machine's clock is behind: it says {now}",
        ),
        "server_unfit": (
            _SUPPORT,
            "The certificate of {host} is not good enough to be trusted here ({reason}); the gateway needs another",
        ),
    },
    "client certificate": {
        "no_issuing_ca": (
            _YOU,
            "The gateway does not know who issued the client certificate, because its issuing CA is not in the .p12; "
            "have it exported again with the whole chain",
        ),
        "issuer_not_accepted": (
            _YOU,
            "The gateway does not accept certificates from {issuer}; test certificates are for tfe, others for "
            "production",
        ),
        "certificate_refused": (
            _PORTAL,
            "The gateway turns the client certificate down in the TLS handshake ({text}); register it, or ask whether "
            "it was revoked",
        ),
    },
    # the login
    "login": {
        "not_registered": (
            _PORTAL,
            "The gateway does not know the certificate of {username}: {text}. Register it; that takes up to an hour",
        ),
        "other_username": (
            _YOU,
            "The username {username} is not that of the certificate, which is {certificate_username}; leave the "
            "username empty, or take the other certificate. Tried once",
        ),
        "account_locked": (
            _SUPPORT,
            "The account {username} is locked: {text}. Have it unlocked, and correct the password before anything "
            "connects again",
        ),
        "wrong_password": (
            _YOU,
            "The gateway refuses the password of {username}: {text}. Take the one that the certificate portal "
            "assigned. Tried once: accounts lock after several",
        ),
    },
    "data protection": {
        "data_in_clear": (_SUPPORT, "The gateway does not encrypt data connections: {text}. Nothing was transferred"),
    },
    # data connections and folders
    "data connection": {
        "data_ports_blocked": (
            _NETWORK,
            "Logged in, but the data connection to port {data_port} gets no answer: the firewall lets port {port} "
            "through and not the data ports. Open outgoing TCP to {host}, {ports}, too",
        ),
        "data_port_closed": (
            _NETWORK,
            "Logged in, but the data connection to port {data_port} is refused or cut: a firewall that knows FTP "
            "cannot read it inside TLS. Open outgoing TCP to {host}, {ports}, without inspection",
        ),
        "data_port_outside": (
            _YOU,
            "The gateway names data port {data_port}, outside of the {ports} that the connection allows; correct "
            "data_ports, or leave it empty",
        ),
        "no_data_connection": (_SUPPORT, "The gateway opens no data connection: {text}"),
        "data_connection_untrusted": (
            _NETWORK,
            "The data connection to port {data_port} does not lead to the gateway that was logged in to: {error}",
        ),
    },
    "outbox": {
        "no_outbox": (
            _SUPPORT,
            "There is no folder {outbox} for {username}: {text}. If the connection names another outbox, correct it; "
            "else the account is not set up",
        ),
    },
    "service folders": {
        "no_service": (
            _PORTAL,
            "There is no service folder {service} for {username} ({text}). Correct its name, or have the role for it "
            "given to the certificate; that takes up to an hour",
        ),
        "read_only": (
            _YOU,
            "Nothing can be filed to {service} here: the gateway is read-only ({environment}). Use a connection to "
            "production or tfe",
        ),
    },
    "heartbeat": {
        "heartbeat_refused": (_SUPPORT, "The gateway does not take a ping into {service}: {text}"),
    },
    "clock": {
        "clock_behind": (
            _YOU,
            "This machine's clock is at least {skew} behind: the newest file in {outbox} is from {newest}, and here "
            "it is {now}. Let it be set by the network (NTP)",
        ),
    },
    # anywhere
    "": {
        "too_slow": (_SUPPORT, "The gateway is there, but slower than this check waits ({seconds} s in all)"),
        "later": (_SUPPORT, "The gateway cannot do it now: {text}. Try later"),
        "cut_off": (_NETWORK, "The connection is cut off in the middle. {error}"),
        "unexpected": (_SUPPORT, "The gateway does something unexpected. {error}"),
    },
}

#: The steps of a check, in their order.
STEPS = tuple(step for step in _TABLE if step)
#: Every fault by its key.
FAULTS = {
    key: Fault(key, step, mender, sentence)
    for step, faults in _TABLE.items()
    for key, (mender, sentence) in faults.items()
}
