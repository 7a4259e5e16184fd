"""
The form and the Test button of a real Airflow in a real browser; the pictures in the pages show what is there.

``make pictures`` takes the pictures anew. ``install_servers.sh`` lays Chromium on this machine. Without it the tests
are skipped; where ``CI`` is ``true`` they fail instead.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from airflow_parts import Airflow
from browser import Browser, browser, missing
from needed import need
from packaging.version import Version
from pictures import KEPT, LIMIT, ROOT, digest, keep_or_compare, known
from processes import ICSFTPS
from rich.console import Console
from rich.text import Text

from airflow_provider_icsftps.get_provider_info import get_provider_info
from airflow_provider_icsftps.simulator import GatewaySimulator

HIDES = Version(version("apache-airflow-core")) >= Version("3.3.2")
IDENTIFIER = "11111111-2222-4333-8444-555555555555"
WRONG = "the-portals-own-password"
(CONNECTION_TYPE,) = get_provider_info()["connection-types"]
FORM = CONNECTION_TYPE["conn-fields"]
FILLED_IN = ("environment", "private_key_p12", "private_key_passphrase")  # by most users, and no more
TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>{stylesheet}
pre {{ display: inline-block; margin: 0; padding: 16px; color: {foreground}; background: {background};
font: 14px/1.35 "DejaVu Sans Mono", monospace }}</style><pre>{code}</pre>"""
COLUMNS = 100
WIDE = 132  # no name of the demonstration is folded
LOW = (1000, 620)  # a window in which the notice is just below the list

pytestmark = pytest.mark.timeout(500)


@pytest.fixture
def gateway() -> Iterator[GatewaySimulator]:
    """An embedded gateway, on the real one's ports where they are free."""
    try:
        running = GatewaySimulator(services=["Manifest"], port=6381, data_ports=(36000, 36099)).start()
    except OSError:
        running = GatewaySimulator(services=["Manifest"]).start()
    yield running
    running.stop()
    running.check()


@pytest.fixture
def chromium(tmp_path) -> Iterator[Browser]:
    need(missing())
    with browser(tmp_path / "profile") as running:
        yield running


@pytest.fixture
def airflow(chromium, tmp_path) -> Iterator[Airflow]:
    """An API server alone, and no connection."""
    airflow = Airflow(tmp_path / "airflow", {}, {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"})
    del airflow.variables["AIRFLOW_CONN_ICSFTPS_DEFAULT"]
    with airflow, airflow.explained():
        airflow.start("api-server")
        airflow.api.log_in()
        yield airflow


def test_the_form_and_the_test_button(chromium, airflow, gateway, tmp_path):
    base = airflow.api.base
    values = gateway.connection(gateway.client_certificate(identifier=IDENTIFIER))
    extra = values["extra"]
    secrets = [values["password"], extra["private_key_p12"], extra["private_key_passphrase"]]

    # what most users fill in, and nothing else, is what the pictures show
    chromium.add_connection(base, CONNECTION_TYPE["hook-name"])
    chromium.paste("connection_id", "icsftps_default")
    chromium.paste("password", values["password"])
    form = chromium.at_rest("[role=dialog]")
    words = form.text.splitlines()
    for name, label in {**CONNECTION_TYPE["ui-field-behaviour"]["relabeling"], "password": "Password"}.items():
        assert label in words
        placeholder = chromium.find(f"[role=dialog] [name={name}]").get_attribute("placeholder")
        assert placeholder == CONNECTION_TYPE["ui-field-behaviour"]["placeholders"][name]
        words.append(placeholder)
    picture = tmp_path / "form.png"
    chromium.picture(picture, form)
    keep_or_compare(picture, words)

    chromium.press("Extra Fields")
    form = chromium.at_rest("[role=dialog]")
    fields = {name: chromium.extra(name) for name in FORM}
    for name, (_, texts, value) in fields.items():
        assert texts == [FORM[name]["label"], FORM[name]["description"]]
        assert value == str(FORM[name]["schema"].get("default", "")), name
    chromium.choose("Environment", "tfe")
    for name in FILLED_IN[1:]:
        chromium.paste(f"element_{name}", extra[name])
        # Airflow's form shows extra fields in clear before 3.3.2
        assert chromium.find(f"[name=element_{name}]").get_attribute("type") == ("password" if HIDES else "text")
    picture = tmp_path / "form-extra.png"
    chromium.picture(picture, form, fields[FILLED_IN[-1]][0])
    keep_or_compare(picture, [text for name in FILLED_IN for text in fields[name][1]])
    assert chromium.extra("environment")[2] == "tfe"
    assert not [secret for secret in secrets if secret in form.text]

    # the gateway here is one of our own
    chromium.choose("Environment", "custom")
    chromium.paste("element_ca_pem", extra["ca_pem"])
    chromium.press("Standard Fields")
    chromium.paste("host", values["host"])
    chromium.paste("port", str(values["port"]))
    chromium.press("Save")
    chromium.gone("[role=dialog]")

    chromium.driver.set_window_size(*LOW)
    picture = tmp_path / "test-button.png"
    title, text = chromium.try_connection(base, picture, page=True)
    assert title == "Test Connection Successful"
    assert text.startswith(f"Logged in at 127.0.0.1:{gateway.port} as CVR_12345678_UI_{IDENTIFIER}")
    row = chromium.find("[data-testid=table-list] tbody tr").text.split()
    assert row[:3] == ["icsftps_default", "icsftps", "127.0.0.1"]
    keep_or_compare(picture, [*row[:3], title, text])

    # what is masked in the form is kept when another field is changed
    chromium.edit_connection(base)
    assert not [secret for secret in secrets if secret in chromium.driver.page_source]
    chromium.paste("password", WRONG)
    chromium.press("Save")
    chromium.gone("[role=dialog]")
    picture = tmp_path / "test-button-refused.png"
    title, text = chromium.try_connection(base, picture, page=False)
    assert title == "Test Connection Failed"
    assert "refuses the password of" in text
    assert WRONG not in text
    keep_or_compare(picture, [title, text])


def test_the_checklist(chromium, gateway, tmp_path):
    gateway.write_credentials(tmp_path, gateway.client_certificate(identifier=IDENTIFIER))
    arguments = "check --connection connection.json --service Manifest"
    told = _told(arguments.split(), tmp_path, COLUMNS)
    assert "All is well" in told
    picture = tmp_path / "check.png"
    keep_or_compare(picture, _in_a_terminal(chromium, f"$ icsftps {arguments}\n{told}", COLUMNS, picture))


@pytest.mark.skipif(
    Version(version("rich")) < Version("14.1"), reason="rich knows no TTY_INTERACTIVE yet and animates into the picture"
)
def test_the_demonstration(chromium, tmp_path):
    told = _told(["demo"], tmp_path, WIDE)
    told = told[: told.index("\n", told.index("└"))]  # what follows names this machine's folders
    picture = tmp_path / "demo.png"
    words = _in_a_terminal(chromium, f"$ make demo\n{told}", WIDE, picture)
    assert "What became of each file" in told
    keep_or_compare(picture, words, in_order=False)  # three files are on their way at once


def _told(arguments: list[str], folder: Path, columns: int) -> str:
    done = subprocess.run(
        [*ICSFTPS, *arguments],
        cwd=folder,
        env=os.environ
        | {"FORCE_COLOR": "1", "COLUMNS": str(columns), "TERM": "xterm-256color", "TTY_INTERACTIVE": "0"},
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    return done.stdout.rstrip()


def _in_a_terminal(chromium: Browser, told: str, columns: int, picture: Path) -> list[str]:
    """Take a picture of what a command told, and return its lines."""
    shown = Text.from_ansi(told)
    console = Console(record=True, width=columns, file=(picture.parent / "terminal").open("w"))
    console.print(shown, highlight=False)
    page = picture.parent / "terminal.html"
    console.save_html(str(page), code_format=TERMINAL)
    console.file.close()
    chromium.driver.get(page.as_uri())
    chromium.picture(picture, chromium.find("pre"))
    return shown.plain.splitlines()


def test_every_picture_is_of_the_words_beside_it_and_small():
    assert known()
    assert sorted(known()) == sorted(path.name for path in KEPT.glob("*.png"))
    for name, kept in known().items():
        assert digest(KEPT / name) == kept["sha256"], f"{name} is not of the run that wrote its words: make pictures"
        assert (KEPT / name).stat().st_size < LIMIT


def test_every_picture_is_in_a_page_with_words_for_those_who_do_not_see_it():
    pages = "".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    told = dict(re.findall(r"!\[([^\]]*)\]\((?:docs/)?pictures/([^)]+)\)", pages))
    assert sorted(told.values()) == sorted(known())
    assert all(len(words) > 20 for words in told)
