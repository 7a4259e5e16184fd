from __future__ import annotations

import base64
import ssl
import tempfile
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from unittest.mock import ANY

import certificate_factory as factory
import pytest
from certificate_factory import CVR, NOT_AFTER, NOT_BEFORE, PASSPHRASE, UUID, Identity, certificates_pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_icsftps.exceptions import CertificateError
from airflow_provider_icsftps.gateway.certificates import CertificateKind, ClientCertificate

SECOND = timedelta(seconds=1)


def refusal(read, *arguments) -> tuple[str, str]:
    with pytest.raises(CertificateError) as caught:
        read(*arguments)
    message = str(caught.value)
    assert PASSPHRASE not in message
    assert "-----" not in message
    return caught.value.reason, message


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


class TestPkcs12:
    BUILDER = PrivateFormat.PKCS12.encryption_builder()

    def test_what_was_issued_is_read(self):
        identity = factory.oces3()
        certificate = ClientCertificate.from_pkcs12(identity.pkcs12(), PASSPHRASE)
        assert certificate.certificate == identity.certificate
        assert certificate.chain == identity.authorities[:1]
        assert certificate.private_key.private_numbers() == identity.key.private_numbers()

    @pytest.mark.parametrize("passphrase", [None, ""])
    def test_a_file_without_passphrase_is_read(self, passphrase):
        certificate = ClientCertificate.from_pkcs12(factory.oces3().pkcs12(None), passphrase)
        assert certificate.certificate == factory.oces3().certificate

    @pytest.mark.parametrize(
        ("algorithm", "mac"),
        [
            (pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC, hashes.SHA1()),
            (pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC, hashes.SHA256()),
            (pkcs12.PBES.PBESv2SHA256AndAES256CBC, hashes.SHA256()),
        ],
        ids=str,
    )
    def test_old_and_new_encryption_is_read(self, algorithm, mac):
        encryption = self.BUILDER.kdf_rounds(1000).key_cert_algorithm(algorithm).hmac_hash(mac)
        data = factory.oces3().pkcs12(encryption=encryption.build(PASSPHRASE.encode()))
        certificate = ClientCertificate.from_pkcs12(data, PASSPHRASE)
        assert certificate.certificate == factory.oces3().certificate
        assert refusal(ClientCertificate.from_pkcs12, data, "another")[0] == "passphrase"

    @pytest.mark.parametrize(
        ("passphrase", "told"),
        [("another", "one was given"), (PASSPHRASE + " ", "one was given"), (None, "none"), ("", "none was given")],
    )
    def test_a_wrong_passphrase_is_told(self, passphrase, told):
        reason, message = refusal(ClientCertificate.from_pkcs12, factory.oces3().pkcs12(), passphrase)
        assert reason == "passphrase"
        assert told in message

    def test_a_passphrase_too_many_is_told(self):
        reason, _ = refusal(ClientCertificate.from_pkcs12, factory.oces3().pkcs12(None), PASSPHRASE)
        assert reason == "passphrase"

    def test_a_missing_key_is_told(self):
        identity = factory.oces3()
        for password in (None, PASSPHRASE):
            encryption = (
                serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
            )
            data = pkcs12.serialize_key_and_certificates(None, None, identity.certificate, None, encryption)
            reason, message = refusal(ClientCertificate.from_pkcs12, data, password)
            assert (reason, "no private key" in message) == ("no_key", True)

    def test_a_missing_certificate_is_told(self):
        encryption = serialization.NoEncryption()
        data = pkcs12.serialize_key_and_certificates(None, factory.oces3().key, None, None, encryption)
        assert refusal(ClientCertificate.from_pkcs12, data, None)[0] == "no_certificate"

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(lambda: b"", id="empty"),
            pytest.param(lambda: b"junk", id="junk"),
            pytest.param(lambda: bytes(1000), id="zeros"),
            pytest.param(lambda: factory.oces3().pem(), id="PEM"),
            pytest.param(
                lambda: factory.oces3().certificate.public_bytes(serialization.Encoding.DER), id="a certificate alone"
            ),
            pytest.param(
                lambda: factory.oces3().key.private_bytes(
                    serialization.Encoding.DER, PrivateFormat.PKCS8, serialization.NoEncryption()
                ),
                id="a key alone",
            ),
        ],
    )
    def test_what_is_no_pkcs12_is_told(self, data):
        reason, message = refusal(ClientCertificate.from_pkcs12, data(), PASSPHRASE)
        assert (reason, "no PKCS#12" in message) == ("unreadable", True)

    @settings(max_examples=20)
    @given(st.integers(12, 2000))
    def test_a_truncated_file_is_perhaps_a_wrong_passphrase(self, length):
        reason, message = refusal(ClientCertificate.from_pkcs12, factory.oces3().pkcs12(None)[:length], None)
        assert (reason, "or the file is damaged" in message) == ("passphrase", True)

    @settings(max_examples=40)
    @given(st.binary(max_size=100), st.sampled_from([b"", b"\x30\x82\x01\x00\x02\x01\x03"]))
    def test_bytes_of_any_kind_are_refused(self, data, start):
        refusal(ClientCertificate.from_pkcs12, start + data, PASSPHRASE)


class TestPem:
    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 1, 0)], ids=str)
    def test_parts_stand_in_any_order(self, order):
        identity = factory.oces3()
        parts = [identity.key_pem(), *(certificates_pem(c) for c in (identity.certificate, *identity.authorities))]
        certificate = ClientCertificate.from_pem(b"Bag Attributes\n    friendlyName: x\n".join(parts[i] for i in order))
        assert certificate.certificate == identity.certificate
        assert certificate.chain == identity.authorities[:1]

    @pytest.mark.parametrize("key", [factory.rsa_key, factory.ec_key], ids=["RSA", "EC"])
    @pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["clear", "encrypted"])
    @pytest.mark.parametrize("traditional", [True, False], ids=["traditional", "PKCS8"])
    def test_a_key_is_read_in_each_format(self, key, passphrase, traditional):
        identity = factory.identity(factory.oces3_subject(), key=key("PEM"))
        pem = identity.key_pem(passphrase, traditional=traditional) + certificates_pem(identity.certificate)
        kind = f"{'RSA' if key is factory.rsa_key else 'EC'} PRIVATE KEY" if traditional else "PRIVATE KEY"
        assert f"{kind}-----\n".encode() in pem
        certificate = ClientCertificate.from_pem(pem, passphrase)
        assert certificate.private_key.private_numbers() == identity.key.private_numbers()

    @pytest.mark.parametrize("traditional", [True, False])
    @pytest.mark.parametrize("passphrase", ["another", None, ""])
    def test_a_wrong_passphrase_is_told(self, passphrase, traditional):
        identity = factory.oces3()
        pem = identity.key_pem(PASSPHRASE, traditional=traditional) + certificates_pem(identity.certificate)
        reason, message = refusal(ClientCertificate.from_pem, pem, passphrase)
        assert (reason, "wrong or missing passphrase" in message) == ("passphrase", True)

    def test_a_passphrase_too_many_is_told(self):
        reason, message = refusal(ClientCertificate.from_pem, factory.oces3().pem(), PASSPHRASE)
        assert (reason, "it has no passphrase" in message) == ("passphrase", True)

    @pytest.mark.parametrize(
        ("pem", "reason"),
        [
            pytest.param(lambda: b"", "no_key", id="empty"),
            pytest.param(lambda: b"\xff\xfe\x00", "no_key", id="junk"),
            pytest.param(lambda: certificates_pem(factory.oces3().certificate), "no_key", id="no key"),
            pytest.param(lambda: factory.oces3().key_pem()[:-40], "no_key", id="key cut short"),
            pytest.param(lambda: factory.oces3().key_pem(), "no_certificate", id="no certificate"),
            pytest.param(
                lambda: factory.oces3().key_pem() + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "no_certificate",
                id="a certificate that is none",
            ),
            pytest.param(
                lambda: factory.oces3().key_pem() + certificates_pem(*factory.other().authorities),
                "no_certificate",
                id="a foreign certificate",
            ),
            pytest.param(
                lambda: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "unreadable",
                id="no key in it",
            ),
            pytest.param(
                lambda: factory.oces3().pem().replace(b"\n", b"\\n"), "unreadable", id="line breaks written as \\n"
            ),
        ],
    )
    def test_what_is_wrong_is_told(self, pem, reason):
        assert refusal(ClientCertificate.from_pem, pem())[0] == reason

    def test_line_ends_of_windows_are_read(self):
        certificate = ClientCertificate.from_pem(factory.oces3().pem().replace(b"\n", b"\r\n"))
        assert certificate.certificate == factory.oces3().certificate

    @settings(max_examples=40)
    @given(st.binary(max_size=60))
    def test_bytes_of_any_kind_are_refused(self, data):
        refusal(ClientCertificate.from_pem, data)
        refusal(ClientCertificate.from_pem, b"-----BEGIN PRIVATE KEY-----" + data + b"-----END PRIVATE KEY-----")


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


class TestDamage:
    """``cryptography`` reads lazily, so that damage shows late; here it shows when the certificate is read."""

    @staticmethod
    def damaged(certificate, part: bytes, other: bytes) -> bytes:
        data = certificate.public_bytes(serialization.Encoding.DER)
        assert part in data
        body = base64.encodebytes(data.replace(part, other))
        return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"

    @pytest.mark.parametrize(
        ("part", "other"),
        [
            pytest.param(b"Toldsystem", b"\xffoldsystem", id="subject"),
            pytest.param(b"udstedende", b"\xffdstedende", id="issuer"),
            pytest.param(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x12", id="version"),
            pytest.param(b"440101000000Z", b"449901000000Z", id="time"),
        ],
    )
    def test_of_a_certificate_is_told(self, part, other):
        identity = factory.oces3()
        pem = identity.key_pem() + self.damaged(identity.certificate, part, other)
        assert refusal(ClientCertificate.from_pem, pem)[0] in {"unreadable", "no_certificate"}

    def test_of_its_issuing_ca_is_told(self):
        identity = factory.oces3()
        issuing = self.damaged(identity.authorities[0], b"rod-CA", b"\xffod-CA")
        pem = identity.key_pem() + certificates_pem(identity.certificate) + issuing
        assert refusal(ClientCertificate.from_pem, pem) == ("unreadable", ANY)

    def test_of_somebody_elses_key_does_not_matter(self):
        """A kind of key that is not known here, in a certificate that stands before ours."""
        identity = factory.oces3()
        rsa, other = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d010163")
        foreign = self.damaged(factory.oces2().certificate, rsa, other)
        assert ClientCertificate.from_pem(foreign + identity.pem()).certificate == identity.certificate

    def test_of_somebody_elses_ca_does_not_matter(self):
        identity = factory.oces3()
        foreign = self.damaged(factory.oces2().authorities[0], b"TRUST2408 OCES CA", b"\xffRUST2408 OCES CA")
        read = ClientCertificate.from_pem(identity.pem() + foreign)
        assert read.username == identity.client_certificate.username

    def test_a_text_of_many_beginnings_is_searched_once(self):
        started = time.monotonic()
        refusal(ClientCertificate.from_pem, b"-----BEGIN PRIVATE KEY-----" * 40_000)
        assert time.monotonic() - started < 2


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
        assert (reason, "OpenSSL does not take it (KEY_VALUES_MISMATCH)" in message) == ("unreadable", True)
        assert before == open_files()
        assert list(tmp_path.iterdir()) == []

    def test_one_certificate_serves_many_contexts(self):
        certificate = factory.oces3().client_certificate
        for _ in range(3):
            certificate.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
