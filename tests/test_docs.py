"""What the pages show is run, and what they tell agrees with the code."""

from __future__ import annotations

import base64
import configparser
import inspect
import itertools
import json
import os
import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from docs.pages import (
    PAGES,
    ROOT,
    Block,
    anchors,
    blocks,
    headings,
    inline_codes,
    links,
    page_id,
    section,
    table,
    tables,
)
from docs.running import Shell, parse_icsftps, run_dag, run_icsftps, run_python

from airflow_provider_icsftps import exceptions
from airflow_provider_icsftps.cli.app import app
from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway.settings import DEFAULT_PORT, ENVIRONMENTS, GatewaySettings
from airflow_provider_icsftps.gateway.status import StatusCode
from airflow_provider_icsftps.gateway.submission import UNTIL, Evidence, Submission, Transfer, Verdict, judge
from airflow_provider_icsftps.get_provider_info import get_provider_info
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import EXTRAS, read_fields
from airflow_provider_icsftps.operators import icsftps as operators
from airflow_provider_icsftps.sensors import icsftps as sensors
from airflow_provider_icsftps.simulator.issued import pkcs12_file

DOCS = ROOT / "docs"
EXAMPLE = ROOT / "example_dags" / "manifest_submission.py"
BLOCKS = [block for page in PAGES for block in blocks(page)]
LANGUAGES = {"python", "bash", "console", "json", "ini", "text"}
PASSPHRASE = "of the .p12 file"  # what the pages write in its place
NOT_RUN: dict[str, str] = {}  # block to reason; as few as can be
TARGETS = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M))
(CONNECTION_TYPE,) = get_provider_info()["connection-types"]
FORM = CONNECTION_TYPE["conn-fields"]


class World:
    """What a page's blocks find: a gateway, a connection to it, files; and what becomes of each block."""

    def __init__(self, simulator: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.simulator = simulator
        self.folder = folder
        self.monkeypatch = monkeypatch
        client = simulator.default_client
        self.p12 = pkcs12_file(client.certificate, PASSPHRASE)
        self.namespace: dict[str, Any] = {"__name__": "page", "__file__": str(EXAMPLE)}
        self.use_connection("icsftps_default", simulator.connection())
        self.use_connection("icsftps_production", simulator.connection())
        simulator.write_credentials(folder)
        simulator.put_in_outbox("notice_1.xml", b"<notice/>")
        (folder / "certificate.p12").write_bytes(self.p12)
        (folder / "a.xml").write_bytes(b"<a/>")
        (folder / "manifests").mkdir()
        for name in ("departure.xml", "arrival.xml", "departure_2026_0042.xml"):
            (folder / "manifests" / name).write_text(f"<manifest>{name}</manifest>")
        self.shell = Shell(
            folder,
            {
                "GATEWAY_PASSWORD": client.password,
                "ICSFTPS_PASSPHRASE": PASSPHRASE,
                "LOGIN": client.username,
                "PASSWORD": client.password,
                "PORT": str(simulator.port),
            },
        )

    def use_connection(self, conn_id: str, values: dict[str, Any] | str) -> None:
        text = values if isinstance(values, str) else json.dumps(values)
        self.monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", text)

    def settings(self, values: dict[str, Any] | str) -> GatewaySettings:
        """Read a connection as a task would, by Airflow."""
        self.use_connection("shown", values)
        return to_settings(read_fields("shown"))

    def completed(self, values: dict[str, Any]) -> dict[str, Any]:
        """Fill in what a page cannot show."""
        client = self.simulator.default_client
        known = {
            "private_key_p12": base64.b64encode(self.p12).decode(),
            "private_key_pem": client.pem.decode(),
            "ca_pem": self.simulator.ca_pem,
        }
        extra = {key: known[key] if str(value).endswith("…") else value for key, value in values["extra"].items()}
        if "client_p12_file" in extra:
            extra["client_p12_file"] = str(self.folder / Path(extra["client_p12_file"]).name)
        return values | {"extra": extra}

    def run(self, block: Block) -> None:
        getattr(self, block.language)(block)

    def python(self, block: Block) -> None:
        text = block.text.replace('"/data', f'"{self.folder}')
        value = run_python(text, self.namespace, str(block))
        if isinstance(value, DAG):
            assert DagSerialization.to_dict(value)["dag"]["dag_id"] == value.dag_id
            if not any(task.get_closest_mapped_task_group() for task in value.tasks):  # those the demonstration runs
                returned = run_dag(value)
                assert all(returned.values()), returned

    def bash(self, block: Block) -> None:
        calls, variables = self.shell.run(block.text)
        for name, *arguments in calls:
            if name == "icsftps":
                run_icsftps(arguments, PASSPHRASE)
            else:
                check_command(name, arguments)
            if (name, arguments[:2]) == ("airflow", ["connections", "add"]):
                self.settings(arguments[arguments.index("--conn-json") + 1])
        for name, value in variables.items():
            if name.startswith("AIRFLOW_CONN_") and os.environ.get(name) != value:
                self.settings(value)

    def console(self, block: Block) -> None:
        commands = re.findall(r"^\$ (.+)$", block.text, re.M)
        assert commands
        for command in commands:
            check_command(*_split(command))

    def json(self, block: Block) -> None:
        values = json.loads(block.text)
        if block.mark in {"submission", "answer"}:
            more = {"statuses", "responses"} if block.mark == "answer" else set()
            assert {f.name for f in fields(Submission)} | more == set(values)
            return
        for connection in [values] if "conn_type" in values else values.values():
            assert self.settings(self.completed(connection)).password == connection["password"]

    def ini(self, block: Block) -> None:
        read = configparser.ConfigParser()
        read.read_string(block.text)
        assert read.sections()

    def text(self, block: Block) -> None:
        if block.text.startswith("icsftps://"):
            made = self.namespace["uri"]
            shown = re.escape(block.text.strip()).replace("MIIPoAIBAzCC…", "[^&]+")
            assert re.fullmatch(shown, made)
            self.settings(made)


def _split(command: str) -> tuple[str, list[str]]:
    name, *arguments = shlex.split(command)
    return name, arguments


def check_command(name: str, arguments: list[str]) -> None:
    """Fail if a command or an option of it does not exist."""
    if name == "make":
        assert set(arguments) <= TARGETS
    elif name == "icsftps":
        parse_icsftps(arguments)
    elif name == "airflow":
        from airflow.cli.cli_parser import get_parser

        get_parser().parse_args(arguments)
    elif name == "pip":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        match = re.fullmatch(r"(\.|[a-z-]+)(?:\[(\w+)\])?", arguments[-1])
        assert match
        assert arguments[0] == "install"
        assert match[1] in {".", project["name"]}
        assert match[2] is None or match[2] in project["optional-dependencies"]
    else:
        assert name in {"git", "base64", "curl"}


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_block_of_a_page_runs(page, simulator, tmp_path, monkeypatch):
    world = World(simulator, tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block}: not one of {LANGUAGES}"
        if block.not_run is None:
            try:
                world.run(block)
            except BaseException as error:
                error.add_note(f"in {block}")
                raise


def test_few_blocks_are_not_run_and_each_says_why():
    assert {str(block): block.not_run for block in BLOCKS if block.not_run} == NOT_RUN


def test_there_are_blocks_to_run():
    found = {block.language for block in BLOCKS}
    assert found == LANGUAGES
    assert len([block for block in BLOCKS if block.language == "python"]) >= 9


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_in_the_text_exist(page):
    for code in inline_codes(page):
        if re.match(r"(icsftps|make|pip) [a-z-]+", code) or code == "icsftps --version":
            check_command(*_split(code))


def test_every_verb_of_the_command_line_is_documented():
    shown = " ".join(page.read_text() for page in PAGES)
    for command in app.registered_commands:
        assert f"icsftps {command.callback.__name__}" in shown or f"make {command.callback.__name__}" in shown


def test_the_readme_shows_the_example_dag():
    source = EXAMPLE.read_text()
    dag = source.split("# [START manifest_submission]\n")[1].split("# [END manifest_submission]")[0]
    (shown,) = [block.text for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert shown.endswith(f"\n\n\n{dag}")
    imports = shown.removesuffix(dag).rstrip()
    assert imports in source


def test_the_readme_shows_the_demonstration_as_it_is():
    from airflow_provider_icsftps.cli import demo

    (shown,) = [block.text for block in blocks(ROOT / "README.md") if block.language == "console"]
    told = inspect.getsource(demo)
    assert f"Embedded gateway on 127.0.0.1:35463; DAG {demo.DAG_ID}" in shown
    for words in ("What became of each file", "LAST_RECORD_INCORRECT", "Responses are in", "Airflow's log is"):
        assert words in shown
        assert words in told
    for sample in set(re.findall(r"(?:arrival|departure)_[a-z_]+(?=-|\.xml)", shown)):
        assert (EXAMPLE.parent / "data" / f"{sample}.xml").is_file()


# ---------------------------------------------------------------- links


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{link} in {page_id(page)}"
        assert not anchor or anchor in anchors(target), f"{link} in {page_id(page)}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == DOCS and page.stem != "index"], ids=page_id)
def test_every_page_can_be_found(page):
    assert f"docs/{page.name}" in links(ROOT / "README.md")
    assert page.name in links(DOCS / "index.md")


# ---------------------------------------------------------------- the connection


def test_the_extras_are_those_of_the_code_and_of_the_form():
    named = [row["Extra"] for row in table(DOCS / "connection.md", "## Extra fields")]
    assert sorted(EXTRAS) == sorted(named) == sorted(FORM)


def test_the_defaults_of_extras_are_those_of_the_form():
    for row in table(DOCS / "connection.md", "## Extra fields"):
        default = FORM[row["Extra"]]["schema"].get("default")
        if default is not None:
            assert row["Default"] == (str(default).lower() if isinstance(default, bool) else str(default))


def test_the_choices_of_the_environment_are_named():
    (row,) = [row for row in table(DOCS / "connection.md", "## Extra fields") if row["Extra"] == "environment"]
    for choice in FORM["environment"]["schema"]["enum"]:
        assert choice in re.findall(r"\w+", row["Meaning"])


def test_what_is_said_to_be_masked_is_masked():
    from airflow.sdk.log import redact

    rows = table(DOCS / "connection.md", "## Extra fields") + table(DOCS / "connection.md", "## Standard fields")
    for row in rows:
        name = row.get("Extra") or row["Field"]
        masked = redact({name: "some-value"})[name] == "***"
        assert row["Masked"] == ("yes" if masked else "no"), name


def test_the_standard_fields_are_those_of_the_form():
    named = {row["Field"] for row in table(DOCS / "connection.md", "## Standard fields")}
    hidden = set(CONNECTION_TYPE["ui-field-behaviour"]["hidden-fields"])
    assert {"host", "port", "login", "password", "schema"} - hidden == named
    assert f"else {DEFAULT_PORT}" in section(DOCS / "connection.md", "## Standard fields")


def test_the_environments_are_those_of_the_code():
    shown = {
        row["Environment"]: (row["Host"], int(row["Control port"]), row["Passive data ports"])
        for row in table(DOCS / "connection.md", "## Environments")
    }
    assert shown == {
        name: (known.host, known.port, "-".join(map(str, known.data_ports))) for name, known in ENVIRONMENTS.items()
    }


def test_the_common_errors_are_what_the_code_says():
    """The words between placeholders and what varies stand in the package, or are the operating system's."""
    said = " ".join(path.read_text() for path in (ROOT / "airflow_provider_icsftps").rglob("*.py"))
    said = re.sub(r'"\s*\n\s*f?"', "", said)  # sentences are written over several lines
    varies = r"…|'\w+'|\b(?:is a test|530|no|several|given|are|is|Connection refused)\b"
    for row in table(DOCS / "connection.md", "## Common errors"):
        for words in re.split(varies, row["The error says"]):
            assert words.strip(" ;.(") in said, row["The error says"]


# ---------------------------------------------------------------- exactly once

_TRANSFERS = {t.value: t for t in Transfer}
_STATUS = {
    "2 or 3": lambda e: bool(e.codes & {StatusCode.ACCEPTED, StatusCode.RESPONSE}),
    "1": lambda e: StatusCode.DELIVERED in e.codes,
    "0 with an error": lambda e: e.rejected,
    '0 "name was used"': lambda e: e.name_reused,
    "none": lambda e: not (e.codes or e.rejected or e.name_reused),
}
_STORED = {
    "any": lambda e: True,
    "same size": lambda e: e.stored_size == e.size,
    "smaller": lambda e: e.stored_size is not None and e.stored_size < e.size,
    "larger": lambda e: e.stored_size is not None and e.stored_size > e.size,
    "nothing": lambda e: e.stored_size is None,
}


def _evidences(**more: Any) -> list[Evidence]:
    digits = (StatusCode.DELIVERED, StatusCode.ACCEPTED, StatusCode.RESPONSE)
    codes = [frozenset(c) for count in range(4) for c in itertools.combinations(digits, count)]
    return [
        Evidence(
            size=10,
            transfer=transfer,
            codes=code,
            name_reused=reused,
            rejected=rejected,
            stored_size=stored,
            **more,
        )
        for transfer, code, reused, rejected, stored in itertools.product(
            Transfer, codes, (False, True), (False, True), (None, 5, 10, 15)
        )
    ]


def _applies(row: dict[str, str], evidence: Evidence) -> bool:
    transfers = row["Our last transfer"]
    ours = set(Transfer) if transfers == "any" else {_TRANSFERS[word] for word in transfers.split(", ")}
    return (
        _STATUS[row["Status files for the name"]](evidence)
        and _STORED[row["In the service folder"]](evidence)
        and evidence.transfer in ours
    )


def _verdicts() -> list[dict[str, str]]:
    return tables(section(DOCS / "exactly-once.md", "## Filing a file exactly once"))[1]


def test_the_table_of_verdicts_is_what_the_code_decides():
    rows = _verdicts()
    used = set()
    for evidence in _evidences():
        number, row = next((n, row) for n, row in enumerate(rows) if _applies(row, evidence))
        assert judge(evidence).value == row["Verdict"], evidence
        used.add(number)
    assert used == set(range(len(rows)))
    assert {row["Verdict"] for row in rows} == set(Verdict)


def test_the_table_says_which_verdicts_succeed():
    for row in _verdicts():
        assert row["What the task does"].startswith("succeeds") == Verdict(row["Verdict"]).is_filed


def test_an_own_name_of_which_anything_is_known_stops_the_task():
    for evidence in _evidences(name_binds_content=False):
        known = evidence.codes or evidence.name_reused or evidence.rejected or evidence.stored_size is not None
        if evidence.transfer is Transfer.NONE and known:
            assert judge(evidence) is Verdict.NAME_USED


# ---------------------------------------------------------------- errors, operators, sensors


def _errors() -> list[type[IcsFtpsError]]:
    return [value for value in vars(exceptions).values() if isinstance(value, type) and issubclass(value, IcsFtpsError)]


def test_every_error_has_its_section_and_no_other_has():
    named = [heading for heading in headings(DOCS / "errors.md") if heading.endswith("Error")]
    assert sorted(named) == sorted(error.__name__ for error in _errors())


@pytest.mark.parametrize("error", _errors())
def test_an_errors_section_says_whether_it_is_retried(error):
    level = "##" if error is IcsFtpsError else "###"
    text = " ".join(section(DOCS / "errors.md", f"{level} {error.__name__}").split())
    assert f"Retried: {'yes' if error.retryable else 'no'}." in text
    inherited = vars(error.__base__("x")) if error is not IcsFtpsError else {}
    for name in vars(error("x")).keys() - inherited.keys():
        assert f"`{name}`" in text


_SHOWN = {
    "## Upload": operators.IcsFtpsUploadOperator,
    "## Wait": sensors.IcsFtpsResponseSensor,
    "## Download": operators.IcsFtpsDownloadOperator,
    "## Delete": operators.IcsFtpsDeleteOperator,
}


@pytest.mark.parametrize("heading", _SHOWN)
def test_an_operators_arguments_are_documented_as_they_are(heading):
    kind = _SHOWN[heading]
    (rows,) = [rows for rows in tables(section(DOCS / "operators.md", heading)) if "Argument" in rows[0]]
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "icsftps_conn_id"
    }
    shown = {row["Argument"]: row for row in rows}
    assert set(parameters) <= set(shown)
    for name, row in shown.items():
        assert row["Templated"] == ("yes" if name in kind.template_fields else "no"), name
        default = parameters[name].default if name in parameters else None
        if default not in (None, inspect.Parameter.empty):
            assert row["Default"] == str(default), name


@pytest.mark.parametrize(
    "kind",
    [
        value
        for module in (operators, sensors)
        for name, value in vars(module).items()
        if name.startswith("IcsFtps") and isinstance(value, type) and value.__module__ == module.__name__
    ],
)
def test_every_operator_and_sensor_is_documented(kind):
    text = (DOCS / "operators.md").read_text()
    assert {"Class": kind.__name__, "Module": kind.__module__} == {
        key: value
        for row in tables(text)[0]
        if row["Class"] == kind.__name__
        for key, value in row.items()
        if key != "What it does"
    }
    for name in kind.template_fields:
        assert f"`{name}`" in text


def test_what_a_wait_may_wait_for_is_what_the_code_says():
    shown = {
        row["until"]: {StatusCode(int(digit)) for digit in re.findall(r"\d", cells[1])}
        for row in table(DOCS / "operators.md", "## Wait")
        for cells in [list(row.values())]
    }
    assert shown == UNTIL
