"""Client certificates as files: PKCS#12 and PEM, of all kinds, damaged and incomplete."""

from __future__ import annotations

import base64
import time
from unittest.mock import ANY

import certificate_factory as factory
import pytest
from certificate_factory import PASSPHRASE, certificates_pem, refusal
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_icsftps.gateway.certificates import ClientCertificate


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
        ids=["triple-des-sha1", "triple-des-sha256", "aes-sha256"],
    )
    def test_old_and_new_encryption_is_read(self, algorithm, mac):
        encryption = self.BUILDER.kdf_rounds(1000).key_cert_algorithm(algorithm).hmac_hash(mac)
        data = factory.oces3().pkcs12(encryption=encryption.build(PASSPHRASE.encode()))
        certificate = ClientCertificate.from_pkcs12(data, PASSPHRASE)
        assert certificate.certificate == factory.oces3().certificate
        assert refusal(ClientCertificate.from_pkcs12, data, "another")[0] == "passphrase"

    @pytest.mark.parametrize(
        ("passphrase", "told"),
        [
            ("another", "one was given"),
            (PASSPHRASE + " ", "one was given"),
            (PASSPHRASE + "\0", "one was given"),
            ("\ud800", "one was given"),
            (None, "none"),
            ("", "none was given"),
        ],
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
        started = time.process_time()
        refusal(ClientCertificate.from_pem, b"-----BEGIN PRIVATE KEY-----" * 40_000)
        assert time.process_time() - started < 2
