"""Other people's clients work against the simulator."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from needed import need
from running_server import INSTALL


def program(name: str) -> str:
    path = shutil.which(name)
    need("" if path else f"no {name} here; {INSTALL}")
    return str(path)


@pytest.fixture
def curl(sim, tmp_path):
    files = sim.write_credentials(tmp_path / "credentials")
    client = sim.default_client

    def run(*arguments: object) -> bytes:
        command = [
            *(program("curl"), "--silent", "--show-error", "--max-time", "20", "--ssl-reqd", "--tls-max", "1.2"),
            *("--cert", files["client.pem"], "--key", files["client-key.pem"], "--cacert", files["ca.pem"]),
            *("--user", f"{client.username}:{client.password}"),
            *arguments,
        ]
        return subprocess.run(command, check=True, capture_output=True).stdout

    return run


def test_curl_uploads_lists_and_downloads(sim, curl, tmp_path):
    sim.answer_after({2: None, 3: None})
    data = b"<declaration/>" * 5000
    (tmp_path / "a.xml").write_bytes(data)
    url = f"ftp://localhost:{sim.port}"
    curl("--upload-file", tmp_path / "a.xml", f"{url}/Manifest/")
    assert sim.uploads[0].content() == data
    assert sim.uploads[0].whole
    assert b"status_Manifest_a.xml_1.xml" in curl(f"{url}/out/")
    assert curl("--list-only", f"{url}/out/").split() == [b"status_Manifest_a.xml_1.xml"]
    assert b"File delivered" in curl(f"{url}/out/status_Manifest_a.xml_1.xml")
    assert sim.connections.data == sim.connections.data_reused == 4


def test_curl_without_a_certificate_is_refused(sim, tmp_path):
    (tmp_path / "ca.pem").write_text(sim.ca_pem)
    command = [
        *(program("curl"), "--silent", "--max-time", "20", "--ssl-reqd", "--tls-max", "1.2"),
        *("--cacert", tmp_path / "ca.pem", "--user", "x:y", f"ftp://localhost:{sim.port}/"),
    ]
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0
    assert sim.connections.logins == 0


def test_lftp_uploads_lists_downloads_and_deletes(sim, tmp_path):
    sim.answer_after({2: None, 3: None})
    files = sim.write_credentials(tmp_path / "credentials")
    client = sim.default_client
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_bytes(name.encode() * 3000)
    script = tmp_path / "script"
    script.write_text(
        f"""
        set cmd:fail-exit yes
        set ftp:ssl-force yes
        set ftp:ssl-protect-data yes
        set ssl:ca-file {files["ca.pem"]}
        set ssl:cert-file {files["client.pem"]}
        set ssl:key-file {files["client-key.pem"]}
        set net:timeout 20
        set net:max-retries 1
        open -u {client.username},{client.password} ftp://localhost:{sim.port}
        mput -O /Manifest {tmp_path}/a.xml {tmp_path}/b.xml
        nlist /out
        ls /out
        get /out/status_Manifest_a.xml_1.xml -o {tmp_path}/fetched.xml
        rm /out/status_Manifest_a.xml_1.xml
        """
    )
    # a home of its own, so that lftp finds nobody's settings
    run = subprocess.run(
        [program("lftp"), "--norc", "-f", str(script)],
        check=True,
        capture_output=True,
        timeout=100,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert run.stdout.split().count(b"status_Manifest_b.xml_1.xml") == 2
    assert [u.content() for u in sim.uploads] == [b"a.xml" * 3000, b"b.xml" * 3000]
    assert all(u.whole for u in sim.uploads)
    assert b"File delivered" in (tmp_path / "fetched.xml").read_bytes()
    assert sim.outbox() == ["status_Manifest_b.xml_1.xml"]
    assert sim.connections.data == sim.connections.data_reused
