"""However much a gateway says, it does not fill a worker's memory; measured in a process of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from expectations import PASSWORD
from scripted_server import Conversation, ScriptedServer
from throwaway_pki import PASSPHRASE, ThrowawayPki

SCRIPT = textwrap.dedent("""
    import json, pathlib
    from airflow_provider_icsftps.exceptions import IcsFtpsError
    from airflow_provider_icsftps.gateway import ClientCertificate, GatewayClient, GatewaySettings

    told = json.loads(input())
    certificate = ClientCertificate.from_pkcs12(pathlib.Path(told["p12"]).read_bytes(), told["passphrase"])
    settings = GatewaySettings(
        host="127.0.0.1", port=told["port"], certificate=certificate, password=told["password"],
        ca_pem=pathlib.Path(told["ca"]).read_text(),
    )

    def kilobytes(what):  # not ru_maxrss: a process begins with its parent's
        status = pathlib.Path("/proc/self/status").read_text()
        return int(status.partition(what + ":")[2].split()[0])

    settings.tls_context
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = kilobytes("VmRSS")
    try:
        gateway = GatewayClient(settings)
        said = repr(eval(told["verb"]))[:100]
    except IcsFtpsError as error:
        said = f"{type(error).__name__}: {error}"[:300]
    print(json.dumps({"said": said, "megabytes": (kilobytes("VmHWM") - before) // 1024}))
""")
MB = 1024 * 1024
LIST = "len(gateway.list_outbox())"
READ = "gateway.read_status('status_Manifest_a.xml_1.xml')"
FETCH = "gateway.download('a.xml', 'TARGET')"


def grown(server: ScriptedServer, pki: ThrowawayPki, folder: Path, verb: str) -> tuple[str, int]:
    """Do this in a process of its own: what came of it, and by how many megabytes its memory grew."""
    p12 = folder / "client.p12"
    p12.write_bytes(pki.client_p12)
    told = {"port": server.port, "p12": str(p12), "passphrase": PASSPHRASE, "password": PASSWORD}
    told |= {"ca": str(pki.ca_file), "verb": verb.replace("TARGET", str(folder / "a.xml"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(told) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["said"], answer["megabytes"]


def data(block: bytes, times: int = 1):
    """Send a block over and over on the data connection, and come to an end."""

    def flood(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        connection = talk.accept_data()
        with contextlib.suppress(OSError):
            for _ in range(times):
                connection.sendall(block)
            connection.unwrap()
        connection.close()
        with contextlib.suppress(OSError):
            talk.say("226 that was it")

    return flood


def said(block: bytes, times: int):
    """Say a block over and over."""

    def flood(talk: Conversation, _: str) -> None:
        with contextlib.suppress(OSError):
            for _ in range(times):
                talk.control.sendall(block)

    return flood


#: Answers, what is done, how that ends, and how many megabytes that may take.
FLOODS = {
    "a reply line of 10 MB": ({"PASS": said(b"2" * MB, 10)}, "gateway.connect()", "GatewayProtocolError", 8),
    "100,000 lines before the login": (
        {"CONNECT": said(b"220-welcome\r\n" * 1000, 100)},
        "gateway.connect()",
        "GatewayProtocolError",
        8,
    ),
    "a status file without end": ({"RETR": data(b"<" * MB, 60)}, READ, "StatusFileError", 8),
    "a deep status file": ({"RETR": data(b"<a>" * 300_000)}, READ, "StatusFileError", 120),
    "a file of 60 MB": ({"RETR": data(bytes(MB), 60), "SIZE": f"213 {60 * MB}"}, FETCH, str(60 * MB), 8),
    "a listing of one line": ({"MLSD": data(b"a" * MB, 110)}, LIST, "TransferError", 150),
    "a listing of lines without end": ({"MLSD": data(b"type=file; a\r\n" * 9_000, 200)}, LIST, "TransferError", 150),
    "a listing of long names": ({"MLSD": data(b"type=file; " + b"x" * MB + b"\r\n", 90)}, LIST, "0", 150),
}


@pytest.mark.parametrize("flood", list(FLOODS))
def test_a_flood_does_not_fill_the_memory(pki, tmp_path, flood):
    answers, verb, expected, limit = FLOODS[flood]
    with ScriptedServer(pki, answers) as server:
        ended, megabytes = grown(server, pki, tmp_path, verb)
    print(f"{flood}: {megabytes} MB, {ended}")
    assert ended.startswith(expected), ended
    assert megabytes < limit, f"{megabytes} MB"
