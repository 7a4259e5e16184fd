"""Who gets in."""

from __future__ import annotations

import ftplib
import socket
import ssl
import warnings

import pytest
from bare_ftp import Client, connect, context, handshake
from moments import within

from airflow_provider_icsftps.gateway import ClientCertificate
from airflow_provider_icsftps.gateway.certificates import CertificateKind
from airflow_provider_icsftps.simulator import GatewaySimulator


def refused_login(sim, issued, username=None, password=None):
    with connect(sim, issued, login=False) as client:
        with pytest.raises(ftplib.error_perm) as refused:
            client.login(username or issued.username, password or issued.password)
        return str(refused.value)


def test_the_default_client_gets_in(sim):
    connect(sim).quit()
    assert (sim.connections.accepted, sim.connections.logins) == (1, 1)


def test_a_client_that_wants_certificates_to_the_letter_gets_in(sim):
    """As Python 3.13 does by default: it refuses one that does not name its issuer's key."""
    strict = context(sim)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    handshake(sim, strict)


def test_nothing_but_tls_comes_first(sim):
    with ftplib.FTP(timeout=5) as plain:
        plain.connect(sim.host, sim.port)
        for command in ("USER x", "PASS x", "PASV", "NLST", "NOOP", "PBSZ 0", "PROT P"):
            with pytest.raises(ftplib.error_perm):
                plain.sendcmd(command)


def test_clear_text_behind_auth_is_thrown_away(sim):
    with socket.create_connection((sim.host, sim.port), timeout=5) as raw:
        raw.recv(100)
        raw.sendall(b"AUTH TLS\r\nUSER forged\r\n")
        assert raw.recv(100).startswith(b"234")
        with context(sim).wrap_socket(raw, server_hostname="localhost") as tls:
            tls.sendall(b"NOOP\r\n")
            assert b"USER forged" not in tls.recv(100)
    assert not any("forged" in entry.line for entry in sim.transcript)


def test_a_data_connection_must_be_protected(sim):
    with connect(sim, login=False) as client:
        client.login(sim.default_client.username, sim.default_client.password)
        with pytest.raises(ftplib.error_perm, match="550"):
            client.sendcmd("PASV")


def test_no_client_certificate_no_handshake(sim):
    bare = ssl.create_default_context(cadata=sim.ca_pem)
    bare.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(sim, bare)


def test_a_strangers_certificate_fails_in_the_handshake(sim):
    stranger = sim.client_certificate(stranger=True)
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
        connect(sim, stranger)


def test_a_certificate_without_its_issuer_fails_in_the_handshake(sim):
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
        connect(sim, sim.client_certificate(with_chain=False))


@pytest.mark.parametrize("validity", ["expired", "not_yet"])
def test_a_certificate_that_is_not_valid_now_fails_in_the_handshake(sim, validity):
    with pytest.raises(ssl.SSLError):
        connect(sim, sim.client_certificate(validity=validity))


def test_an_unregistered_certificate_is_refused_at_login(sim):
    assert "530 Certificate is not registered" in refused_login(sim, sim.client_certificate(register=False))


def test_a_username_belongs_to_its_certificate(sim):
    other = sim.client_certificate()
    ours = sim.default_client
    assert "530 Username" in refused_login(sim, ours, other.username, other.password)


def test_a_wrong_password_is_refused_and_nothing_is_locked_by_default(sim):
    for _ in range(5):
        assert "530 Login incorrect" in refused_login(sim, sim.default_client, password="wrong")
    connect(sim).quit()


def test_wrong_passwords_lock_an_account():
    with GatewaySimulator(lock_after=3) as sim:
        replies = [refused_login(sim, sim.default_client, password="wrong") for _ in range(3)]
        assert [r.startswith("530 Login incorrect") for r in replies] == [True, True, False]
        assert refused_login(sim, sim.default_client) == "530 Account locked."


def test_each_certificate_has_its_own_folders(sim):
    other = sim.client_certificate(services=["ICS"])
    sim.put_in_outbox("theirs.xml", b"x", other.username)
    with connect(sim) as ours, connect(sim, other) as theirs:
        assert ours.names() == []
        assert theirs.names() == ["theirs.xml"]
        assert theirs.nlst() == ["ICS", "out"]


def test_a_renewed_certificate_keeps_username_password_and_folders(sim):
    old = sim.default_client
    new = sim.client_certificate(identifier=old.username.rpartition("_")[2])
    assert (new.username, new.password) == (old.username, old.password)
    assert new.certificate.fingerprint != old.certificate.fingerprint
    sim.put_in_outbox("letter.xml", b"x")
    with connect(sim, new) as client:
        assert client.names() == ["letter.xml"]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (CertificateKind.OCES2_COMPANY, "UID"),
        (CertificateKind.OCES2_EMPLOYEE, "RID"),
        (CertificateKind.OCES2_FUNCTION, "FID"),
        (CertificateKind.OCES3_EMPLOYEE, "UI"),
        (CertificateKind.OTHER, None),
    ],
)
def test_other_kinds_of_certificates_get_in(sim, kind, word):
    issued = sim.client_certificate(kind=kind, cvr="19552101")
    read = ClientCertificate.from_pkcs12(issued.p12, issued.passphrase)
    assert read.kind is kind
    assert read.username == (issued.username if word else None)
    if word:
        assert issued.username.startswith(f"CVR_19552101_{word}_")
    with connect(sim, issued) as client:
        client.store("/Manifest/a.xml")
        status = client.read("/out/status_Manifest_a.xml_1.xml").decode()
    assert f"<filename>/CVR_19552101/{word}_" in status if word else f"<filename>/{issued.username}/" in status


def test_an_oces3_certificate_has_the_real_shape(sim):
    issued = sim.client_certificate(key_bits=3072)
    leaf = issued.certificate.certificate
    assert leaf.signature_algorithm_oid.dotted_string == "1.2.840.113549.1.1.10"  # RSASSA-PSS
    assert issued.certificate.private_key.key_size == 3072
    assert issued.certificate.environment == "tfe"
    assert "2.5.29.37" not in [extension.oid.dotted_string for extension in leaf.extensions]
    connect(sim, issued).quit()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_3])
def test_only_tls_1_2_is_spoken(sim, version):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.1 is asked for on purpose
        made = context(sim, version=version)
    made.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(sim, made)


def test_another_tls_version_can_be_asked_for():
    with GatewaySimulator(tls_versions=["1.3"]) as sim, pytest.raises((ssl.SSLError, ConnectionError)):
        connect(sim)
    with GatewaySimulator(tls_versions=["1.3"]) as sim:
        client = Client(context=context(sim, version=ssl.TLSVersion.TLSv1_3), timeout=5)
        client.connect(sim.host, sim.port)
        client.login(sim.default_client.username, sim.default_client.password)
        client.quit()


def test_a_data_connection_must_resume_the_session(sim):
    with connect(sim, reuse=False) as client:
        client.voidcmd("TYPE I")
        client.transfercmd("STOR /Manifest/a.xml").close()
        assert client.getmultiline().startswith("522 SSL connection failed: session reuse required")
        assert sim.uploads == []
    assert sim.connections.data == 0


def test_session_reuse_can_be_left_to_the_client():
    with GatewaySimulator(require_session_reuse=False) as sim, connect(sim, reuse=False) as client:
        client.store("/Manifest/a.xml")
        assert (sim.connections.data, sim.connections.data_reused) == (1, 0)


def test_every_data_connection_is_counted_as_reused(sim, client):
    client.store("/Manifest/a.xml")
    client.names()
    assert (sim.connections.data, sim.connections.data_reused) == (2, 2)


@pytest.mark.parametrize("kind", ["expired", "wrong_host"])
def test_a_bad_server_certificate_is_not_trusted(kind):
    with GatewaySimulator(server_certificate=kind) as sim, pytest.raises(ssl.SSLCertVerificationError):
        connect(sim)


def test_passwords_are_starred_in_the_transcript(sim):
    connect(sim).quit()
    lines = [str(entry) for entry in sim.transcript]
    assert any("PASS ****" in line for line in lines)
    assert not any(sim.default_client.password in line for line in lines)


def test_connections_that_are_open_are_counted_however_they_end(sim):
    polite, rude = connect(sim), connect(sim)
    stranger = socket.create_connection((sim.host, sim.port), timeout=5)
    stranger.recv(100)
    assert (sim.connections.accepted, sim.connections.open) == (3, 3)
    polite.quit()
    rude.close()
    stranger.close()
    assert within(5, lambda: not sim.connections.open)
    assert (sim.connections.accepted, sim.connections.closed, sim.connections.open) == (3, 3, 0)
