"""What a client certificate says of its owner, who vouches for it, until when it is valid, and how TLS shows it."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import certificate_factory as factory
import pytest
from certificate_factory import (
    CVR,
    NOT_AFTER,
    NOT_BEFORE,
    PASSPHRASE,
    UUID,
    Identity,
    certificates_pem,
    refusal,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from airflow_provider_icsftps.gateway.certificates import CertificateKind, ClientCertificate

SECOND = timedelta(seconds=1)


class TestIdentity:
    @pytest.mark.parametrize(
        ("identity", "kind", "username"),
        [
            pytest.param(
                lambda: factory.oces3("O"), CertificateKind.OCES3_ORGANISATION, f"CVR_{CVR}_UI_{UUID}", id="OCES3 O"
            ),
            pytest.param(
                lambda: factory.oces3("E"), CertificateKind.OCES3_EMPLOYEE, f"CVR_{CVR}_UI_{UUID}", id="OCES3 E"
            ),
            pytest.param(
                lambda: factory.oces2("UID"), CertificateKind.OCES2_COMPANY, f"CVR_{CVR}_UID_60134540", id="UID"
            ),
            pytest.param(
                lambda: factory.oces2("RID"), CertificateKind.OCES2_EMPLOYEE, f"CVR_{CVR}_RID_60134540", id="RID"
            ),
            pytest.param(
                lambda: factory.oces2("FID"), CertificateKind.OCES2_FUNCTION, f"CVR_{CVR}_FID_60134540", id="FID"
            ),
        ],
    )
    def test_username_follows_from_the_subject(self, identity, kind, username):
        certificate = identity().client_certificate
        assert (kind, CVR, username) == (certificate.kind, certificate.cvr, certificate.username)

    def test_the_documented_example(self):
        subject = factory.oces2_subject("RID", cvr="19552101")
        assert factory.identity(subject).client_certificate.username == "CVR_19552101_RID_60134540"

    def test_what_is_not_oces_gives_no_username(self):
        certificate = factory.other().client_certificate
        seen = (certificate.kind, certificate.cvr, certificate.username, certificate.environment)
        assert seen == (CertificateKind.OTHER, None, None, None)

    @pytest.mark.parametrize(
        "subject",
        [
            [{"serialNumber": f"UI:DK-O:G:{UUID}"}],
            [{"organizationIdentifier": f"NTRDK-{CVR}"}],
            [{"organizationIdentifier": f"NTRSE-{CVR}"}, {"serialNumber": f"UI:DK-O:G:{UUID}"}],
            [{"organizationIdentifier": "NTRDK-1234567"}, {"serialNumber": f"UI:DK-O:G:{UUID}"}],
            [{"organizationIdentifier": f"NTRDK-{CVR}"}, {"serialNumber": f"UI:DK-P:G:{UUID}"}],
            [{"organizationIdentifier": f"NTRDK-{CVR}"}, {"serialNumber": f"UI:DK-O:G:{UUID}0"}],
            [{"serialNumber": "CVR:1234567-UID:1"}],
            [{"serialNumber": f"CVR:{CVR}-XID:1"}],
            [{"CN": f"CVR:{CVR}-UID:1"}],
        ],
        ids=str,
    )
    def test_what_only_looks_like_oces_gives_no_username(self, subject):
        certificate = factory.identity(factory.distinguished_name(*subject)).client_certificate
        assert (certificate.username, certificate.cvr) == (None, None)

    @pytest.mark.parametrize(
        ("identity", "environment"),
        [
            pytest.param(lambda: factory.oces3(), "production", id="OCES3"),
            pytest.param(lambda: factory.oces3(test=True), "tfe", id="OCES3 test"),
            pytest.param(lambda: factory.oces2(), "production", id="OCES2"),
            pytest.param(lambda: factory.oces2(test=True), "tfe", id="OCES2 test"),
            pytest.param(lambda: factory.other(), None, id="other"),
        ],
    )
    def test_environment_follows_from_the_issuer(self, identity, environment):
        identity = identity()
        alone = Identity(identity.certificate, identity.key)
        assert [identity.client_certificate.environment, alone.client_certificate.environment] == [environment] * 2

    @pytest.mark.parametrize(
        ("identity", "company"),
        [
            (lambda: factory.oces3(), "Testfirma Ærø ApS"),
            (lambda: factory.oces2(), f"Testfirma A/S // CVR:{CVR}"),
            (lambda: factory.identity(factory.distinguished_name({"CN": "x"})), None),
        ],
    )
    def test_company_is_the_organisation_of_the_subject(self, identity, company):
        assert identity().client_certificate.company == company

    def test_the_rest_is_read_off_the_certificate(self):
        leaf = factory.oces3().certificate
        certificate = factory.oces3().client_certificate
        assert certificate.fingerprint == leaf.fingerprint(hashes.SHA256()).hex()
        assert (certificate.not_before, certificate.not_after) == (NOT_BEFORE, NOT_AFTER)
        assert certificate.not_after.tzinfo is UTC
        assert certificate.subject == leaf.subject.rfc4514_string()

    @pytest.mark.parametrize(
        ("identity", "who"),
        [(lambda: factory.oces3(), f"CVR_{CVR}_UI_{UUID}"), (lambda: factory.other(), "CN=client,O=Example Ltd")],
    )
    def test_repr_tells_who_and_until_when_and_nothing_else(self, identity, who):
        expected = f"<ClientCertificate {who!r}, valid until 2044-01-01>"
        certificate = identity().client_certificate
        assert expected == repr(certificate) == str(certificate)


class TestChain:
    def test_is_ordered_from_the_leaf_and_ends_below_the_root(self):
        root = factory.authority("Root CA")
        upper = factory.authority("Upper CA", "", root)
        lower = factory.authority("Lower CA", "", upper)
        leaf = factory.identity(factory.oces3_subject(), lower)
        stray = factory.authority("Stray CA").certificate
        shuffled = Identity(leaf.certificate, leaf.key, (root.certificate, stray, upper.certificate, lower.certificate))
        expected = (lower.certificate, upper.certificate)
        assert shuffled.client_certificate.chain == expected
        assert ClientCertificate.from_pkcs12(shuffled.pkcs12(), PASSPHRASE).chain == expected

    def test_is_empty_without_the_issuing_ca(self):
        identity = factory.oces3()
        only_root = Identity(identity.certificate, identity.key, identity.authorities[1:])
        assert only_root.client_certificate.chain == ()

    def test_of_a_self_signed_certificate_is_empty(self):
        identity = factory.identity(factory.oces3_subject())
        twice = Identity(identity.certificate, identity.key, (identity.certificate,))
        assert twice.client_certificate.chain == ()

    def test_of_authorities_that_vouch_for_each_other_ends(self):
        names = [factory.distinguished_name({"CN": f"{which} CA"}) for which in ("First", "Second")]
        keys = [factory.rsa_key("CA"), factory.rsa_key("CA below")]
        roots = [
            factory.Authority(factory.signed(name, key, None, ca=True), key)
            for name, key in zip(names, keys, strict=True)
        ]
        first = factory.Authority(factory.signed(names[0], keys[0], roots[1], ca=True), keys[0])
        second = factory.signed(names[1], keys[1], roots[0], ca=True)
        leaf = factory.identity(factory.oces3_subject(), first)
        circle = Identity(leaf.certificate, leaf.key, (second, first.certificate))
        assert circle.client_certificate.chain == (first.certificate, second)


class TestValidity:
    @pytest.mark.parametrize(
        "now", [NOT_BEFORE, NOT_AFTER, NOT_BEFORE + factory.days(1), datetime(2030, 1, 1, tzinfo=UTC)]
    )
    def test_holds_from_first_to_last_moment(self, now):
        factory.oces3().client_certificate.check_validity(now)

    def test_is_asked_of_the_present_by_default(self):
        factory.oces3().client_certificate.check_validity()
        past = factory.identity(factory.oces3_subject(), not_after=NOT_BEFORE + factory.days(1))
        assert refusal(past.client_certificate.check_validity)[0] == "expired"

    @pytest.mark.parametrize(
        ("now", "reason", "text"),
        [
            (
                NOT_AFTER + SECOND,
                "expired",
                f"Client certificate of CVR_{CVR}_UI_{UUID} expired on 2044-01-01 00:00 UTC; "
                "put the renewed .p12 into the connection",
            ),
            (
                NOT_BEFORE - SECOND,
                "not_yet_valid",
                f"Client certificate of CVR_{CVR}_UI_{UUID} is valid only from 2024-01-01 00:00 UTC; "
                "check this machine's clock, or wait",
            ),
        ],
    )
    def test_is_refused_outside(self, now, reason, text):
        assert refusal(factory.oces3().client_certificate.check_validity, now) == (reason, text)

    def test_is_compared_across_zones(self):
        certificate = factory.oces3().client_certificate
        here = timezone(timedelta(hours=2))
        certificate.check_validity(NOT_AFTER.astimezone(here))
        assert refusal(certificate.check_validity, (NOT_AFTER + SECOND).astimezone(here))[0] == "expired"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


def pump(client: ssl.SSLObject, server: ssl.SSLObject, wires: tuple[ssl.MemoryBIO, ...]) -> None:
    to_server, from_client, to_client, from_server = wires
    waiting = [client, server]
    for _ in range(20):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
            to_server.write(from_client.read())
            to_client.write(from_server.read())
        if not waiting:
            return
    pytest.fail("the handshake did not end")


def handshake(client_context: ssl.SSLContext, trusted: x509.Certificate, folder: Path) -> ssl.SSLObject:
    """Shake hands with a gateway that trusts one CA, and return the gateway's side."""
    gateway = factory.gateway_identity()
    (folder / "gateway.pem").write_bytes(gateway.pem())
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / "gateway.pem")
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(cadata=certificates_pem(trusted).decode())
    to_server, from_server, to_client, from_client = (ssl.MemoryBIO() for _ in range(4))
    server = server_context.wrap_bio(to_server, from_server, server_side=True)
    client = client_context.wrap_bio(to_client, from_client, server_hostname="gateway.test")
    pump(client, server, (to_server, from_client, to_client, from_server))
    return server


@pytest.fixture
def context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=certificates_pem(*factory.gateway_identity().authorities).decode())
    return context


class TestTls:
    @pytest.mark.parametrize(
        "identity",
        [
            pytest.param(lambda: factory.oces3("O"), id="OCES3 (RSASSA-PSS)"),
            pytest.param(lambda: factory.oces3("E", test=True), id="OCES3 test"),
            pytest.param(lambda: factory.oces2("FID"), id="OCES2"),
            pytest.param(
                lambda: factory.identity(
                    factory.oces3_subject(), factory.oces3_authority(), key=factory.ec_key("leaf")
                ),
                id="EC key",
            ),
        ],
    )
    def test_a_gateway_that_knows_only_the_root_takes_the_certificate(self, identity, context, tmp_path):
        identity = identity()
        identity.client_certificate.load_into(context)
        server = handshake(context, identity.authorities[-1], tmp_path)
        assert server.version() == "TLSv1.2"
        assert server.getpeercert(True) == identity.certificate.public_bytes(serialization.Encoding.DER)

    def test_a_gateway_that_knows_only_the_root_needs_the_issuing_ca(self, context, tmp_path):
        identity = factory.oces3()
        Identity(identity.certificate, identity.key).client_certificate.load_into(context)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get (local )?issuer certificate"):
            handshake(context, identity.authorities[-1], tmp_path)

    def test_a_certificate_from_a_p12_is_taken(self, context, tmp_path):
        identity = factory.oces3()
        ClientCertificate.from_pkcs12(identity.pkcs12(), PASSPHRASE).load_into(context)
        assert handshake(context, identity.authorities[-1], tmp_path).version() == "TLSv1.2"

    def test_no_file_is_left(self, context, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        certificate = factory.oces3().client_certificate
        before = open_files()
        certificate.load_into(context)
        assert before == open_files()
        assert list(tmp_path.iterdir()) == []

    def test_no_file_is_left_when_openssl_refuses(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        mismatch = ClientCertificate(factory.oces3().certificate, factory.rsa_key("another"))
        before = open_files()
        reason, message = refusal(mismatch.load_into, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        assert (reason, "OpenSSL does not take it (key values mismatch)" in message) == ("unusable", True)
        assert before == open_files()
        assert list(tmp_path.iterdir()) == []

    def test_one_certificate_serves_many_contexts(self):
        certificate = factory.oces3().client_certificate
        for _ in range(3):
            certificate.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
