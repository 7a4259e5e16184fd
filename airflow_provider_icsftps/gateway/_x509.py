"""
What ``cryptography`` leaves to its users: which key, which issuer, which attribute.

It reads certificates lazily, so that a damaged part of one shows only when it is asked for.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ObjectIdentifier

#: What it raises for what it cannot read.
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


def public_bytes(key: object) -> bytes:
    """
    Return what tells one public key from another: its SubjectPublicKeyInfo.

    :param key: a public key of any kind.
    """
    data: bytes = key.public_bytes(  # type: ignore[attr-defined]  # every public key type has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return data


def belongs_to(certificate: x509.Certificate, public: bytes) -> bool:
    """
    Tell whether a certificate is for a key.

    :param certificate: any certificate.
    :param public: what :func:`public_bytes` told of the key.
    :return: ``False`` also for a certificate whose own key cannot be read.
    """
    try:
        return public_bytes(certificate.public_key()) == public
    except UNREADABLE:  # a kind of key that is not known here
        return False


def issuers_of(leaf: x509.Certificate, others: list[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """
    Return those certificates that lead from a leaf towards its root, nearest first, without the root.

    :param leaf: the leaf.
    :param others: in any order; what does not belong to it is left out.
    """
    chain: list[x509.Certificate] = []
    last = leaf
    while issuer := next((c for c in others if c not in chain and _issued(c, last)), None):
        if issuer.subject == issuer.issuer:  # a root: the gateway has its own copy or does not trust it
            break
        chain.append(issuer)
        last = issuer
    return tuple(chain)


def attribute(name: x509.Name, oid: ObjectIdentifier) -> str:
    """
    Return the first text of this kind in a name, without blanks around it; nothing when there is none.

    :param name: a subject or issuer; multi-valued RDNs are read like others.
    :param oid: the kind.
    """
    for found in name:
        if found.oid == oid and isinstance(found.value, str):
            return found.value.strip()
    return ""


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    # by signature, too: a renewed CA keeps its name
    try:
        if issuer.subject != certificate.issuer:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True
