"""
Who an OCES certificate is for, and the gateway's username that follows from it; by its subject alone.

* OCES3 (current): serialNumber ``UI:DK-O:G:<uuid>`` (organisation) or ``UI:DK-E:G:<uuid>`` (employee),
  organizationIdentifier ``NTRDK-<cvr>``. Username ``CVR_<cvr>_UI_<uuid>``.
* OCES2 (ended in 2023, still on old accounts): serialNumber ``CVR:<cvr>-UID:<uid>``, ``-RID:`` or ``-FID:``, often
  in one multi-valued RDN with the common name. Username ``CVR_<cvr>_UID_<uid>`` and so on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from airflow_provider_icsftps.gateway._x509 import attribute

_ORGANIZATION_IDENTIFIER = ObjectIdentifier("2.5.4.97")
_COMPANY = re.compile(r"NTRDK-(\d{8})", re.ASCII)
_OCES3 = re.compile(r"UI:DK-(?P<kind>[OE]):G:(?P<id>[0-9A-Fa-f-]{36})")
_OCES2 = re.compile(r"CVR:(?P<cvr>\d{8})-(?P<kind>UID|RID|FID):(?P<id>[0-9A-Za-z]+)", re.ASCII)


class CertificateKind(StrEnum):
    """What a certificate stands for."""

    OCES3_ORGANISATION = "OCES3 organisation"
    OCES3_EMPLOYEE = "OCES3 employee"
    OCES2_COMPANY = "OCES2 company (UID)"
    OCES2_EMPLOYEE = "OCES2 employee (RID)"
    OCES2_FUNCTION = "OCES2 function (FID)"
    OTHER = "not OCES"


_KINDS = {
    "O": CertificateKind.OCES3_ORGANISATION,
    "E": CertificateKind.OCES3_EMPLOYEE,
    "UID": CertificateKind.OCES2_COMPANY,
    "RID": CertificateKind.OCES2_EMPLOYEE,
    "FID": CertificateKind.OCES2_FUNCTION,
}


@dataclass(frozen=True)
class Holder:
    """
    Whom a certificate is for.

    :param kind: what the certificate stands for.
    :param cvr: the company's CVR number, 8 digits; ``None`` when it is not OCES.
    :param username: the gateway's; ``None`` when it is not OCES.
    """

    kind: CertificateKind = CertificateKind.OTHER
    cvr: str | None = None
    username: str | None = None


def holder_of(subject: x509.Name) -> Holder:
    """
    Read a certificate's subject; attributes are looked up by their OIDs.

    :param subject: the subject.
    :return: of kind ``OTHER`` when it is not exactly of one of the two shapes.
    """
    serial = attribute(subject, NameOID.SERIAL_NUMBER)
    if match := _OCES2.fullmatch(serial):
        cvr, word = match["cvr"], match["kind"]
    elif (match := _OCES3.fullmatch(serial)) and (
        company := _COMPANY.fullmatch(attribute(subject, _ORGANIZATION_IDENTIFIER))
    ):
        cvr, word = company[1], "UI"
    else:
        return Holder()
    return Holder(_KINDS[match["kind"]], cvr, f"CVR_{cvr}_{word}_{match['id']}")
