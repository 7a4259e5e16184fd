"""What the pages show is run, and what they tell agrees with the code."""

from __future__ import annotations

import inspect
import itertools
import re
from dataclasses import fields
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk import BaseOperator
from docs.pages import (
    PAGES,
    ROOT,
    anchors,
    blocks,
    headings,
    inline_codes,
    links,
    outside_links,
    page_id,
    section,
    table,
    tables,
)
from docs.world import EXAMPLE, World, check_command, split_command

from airflow_provider_icsftps import exceptions
from airflow_provider_icsftps.cli.app import app
from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway import FetchSummary
from airflow_provider_icsftps.gateway.diagnosis import SECONDS
from airflow_provider_icsftps.gateway.faults import FAULTS, STEPS
from airflow_provider_icsftps.gateway.goal import UNTIL
from airflow_provider_icsftps.gateway.settings import DEFAULT_PORT, ENVIRONMENTS
from airflow_provider_icsftps.gateway.status import StatusCode
from airflow_provider_icsftps.gateway.submission import Evidence, Transfer, Verdict, judge
from airflow_provider_icsftps.get_provider_info import get_provider_info
from airflow_provider_icsftps.hooks._fields import EXTRAS
from airflow_provider_icsftps.operators import icsftps as operators
from airflow_provider_icsftps.sensors import icsftps as sensors
from airflow_provider_icsftps.triggers import icsftps as triggers
from docs import cli_help

DOCS = ROOT / "docs"
BLOCKS = [block for page in PAGES for block in blocks(page)]
LANGUAGES = {"python", "bash", "console", "json", "ini", "text"}
NOT_RUN: dict[str, str] = {}  # block to reason; as few as can be
(CONNECTION_TYPE,) = get_provider_info()["connection-types"]
FORM = CONNECTION_TYPE["conn-fields"]


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
    assert {"bash", "json", "python", "text"} <= found <= LANGUAGES
    assert len([block for block in BLOCKS if block.language == "python"]) >= 9


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_in_the_text_exist(page):
    for code in inline_codes(page):
        if re.match(r"(icsftps|make|pip) [a-z-]+", code) or code == "icsftps --version":
            check_command(*split_command(code))


def test_every_verb_of_the_command_line_is_documented():
    shown = " ".join(page.read_text() for page in PAGES)
    for command in app.registered_commands:
        assert f"icsftps {command.callback.__name__}" in shown or f"make {command.callback.__name__}" in shown


def test_the_help_of_every_verb_is_shown_as_it_is():
    """`python tests/docs/cli_help.py` pastes it in anew."""
    pinned = re.search(r"^typer==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
    if version("typer") != pinned:
        pytest.skip(f"The page shows the help as typer {pinned} lays it out")
    page = DOCS / "cli.md"
    marks = [block.mark.removeprefix("help: ") for block in blocks(page) if block.mark.startswith("help: ")]
    assert sorted(marks) == cli_help.VERBS
    assert cli_help.pasted(page.read_text()) == page.read_text()


_SHOWN_ON = {
    "certificate_watch": "renewal.md",
    "legacy_outbox": "backfilling.md",
    "manifest_submission": "quickstart.md",
    "outbox_events": "by-event.md",
    "responses_by_event": "by-event.md",
    "responses_daily": "backfilling.md",
}


def test_every_example_dag_is_on_a_page_and_in_the_list():
    names = sorted(path.stem for path in EXAMPLE.parent.glob("*.py"))
    assert sorted(_SHOWN_ON) == names == sorted(headings(DOCS / "examples.md")[1:])
    for name in names:  # the site shows the source in the place of this line
        assert f"\n[example_dags/{name}.py](../example_dags/{name}.py)\n" in section(DOCS / "examples.md", f"## {name}")


@pytest.mark.parametrize(("name", "page"), _SHOWN_ON.items())
def test_a_page_shows_its_example_dag(name, page):
    source = (EXAMPLE.parent / f"{name}.py").read_text()
    dag = source.split(f"# [START {name}]\n")[1].split(f"# [END {name}]")[0]
    python = [block.text for block in blocks(DOCS / page) if block.language == "python"]
    (shown,) = [text for text in python if dag in text]
    assert shown.rstrip().endswith(f"\n\n\n{dag.rstrip()}")
    imports = shown.rstrip().removesuffix(dag.rstrip()).rstrip()
    assert imports
    assert imports in source


def test_the_dag_in_the_readme_is_short():
    (shown,) = [block.text for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert len([line for line in shown.splitlines() if line]) <= 20


# ---------------------------------------------------------------- links


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{link} in {page_id(page)}"
        assert not anchor or anchor in anchors(target), f"{link} in {page_id(page)}"


def test_links_to_other_sites_are_well_formed():
    """Whether anybody answers there is asked by `make linkcheck`, where there is a network."""
    spelled: dict[str, str] = {}
    for page in PAGES:
        for link in outside_links(page):
            parts = urlsplit(link)
            assert parts.scheme == "https", f"{link} in {page_id(page)}"
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), f"{link} in {page_id(page)}"
            assert not re.search(r"[\s<>\"'`]|[.,;:]$|//", link.removeprefix("https://")), f"{link} in {page_id(page)}"
            same = f"{parts.netloc.removeprefix('www.')}{parts.path.rstrip('/')}".lower()
            assert spelled.setdefault(same, link.partition("#")[0]) == link.partition("#")[0], f"two spellings: {link}"


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


# ---------------------------------------------------------------- troubleshooting, renewal


def test_the_table_of_faults_is_that_of_the_code():
    shown = [tuple(row.values()) for row in table(DOCS / "troubleshooting.md", "## Every fault")]
    assert shown == [
        (fault.step or "any", re.sub(r"\{\w+\}", "…", fault.sentence), fault.mender.value) for fault in FAULTS.values()
    ]


def test_the_steps_are_those_of_the_code():
    assert [row["Step"] for row in table(DOCS / "troubleshooting.md", "## The steps")] == list(STEPS)


def test_the_time_that_a_check_may_take_is_that_of_the_code():
    assert f"It ends after {SECONDS:.0f} seconds" in (DOCS / "troubleshooting.md").read_text()


def test_the_arguments_of_the_watch_are_documented_as_they_are():
    rows = {row["Argument"]: row for row in table(DOCS / "renewal.md", "## In time")}
    parameters = inspect.signature(operators.IcsFtpsCertificateExpiryOperator.__init__).parameters
    own = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert {name: str(default) for name, default in own.items()} == {name: row["Default"] for name, row in rows.items()}


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
        assert ("sends nothing" in row["What the task does"]) == Verdict(row["Verdict"]).is_filed


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


_ARGUMENTS = {
    ("filing.md", "## The upload operator"): operators.IcsFtpsUploadOperator,
    ("waiting.md", "## The sensor"): sensors.IcsFtpsResponseSensor,
    ("backfilling.md", "## Download"): operators.IcsFtpsDownloadOperator,
    ("backfilling.md", "## Delete"): operators.IcsFtpsDeleteOperator,
}


@pytest.mark.parametrize("where", _ARGUMENTS, ids="".join)
def test_an_operators_arguments_are_documented_as_they_are(where):
    page, heading = where
    kind = _ARGUMENTS[where]
    (rows,) = [rows for rows in tables(section(DOCS / page, heading)) if "Argument" in rows[0]]
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
            assert str(default) in row["Default"], name


def test_what_the_summary_of_a_fetch_holds_is_documented():
    held = {field.name for field in fields(FetchSummary)} - {"kept", "reach"}
    (of_python,) = [rows for rows in tables((DOCS / "archive.md").read_text()) if "The summary's" in rows[0]]
    of_a_run = table(DOCS / "backfilling.md", "### What a run says")
    assert {name for row in of_python for name in re.findall(r"\w+", row["The summary's"])} == held
    assert {name for row in of_a_run for name in re.findall(r"\w+", row["Key"])} == held | {"window", "gaps", "names"}


_KINDS = {
    f"{module.__name__}.{name}": value
    for module in (operators, sensors)
    for name, value in vars(module).items()
    if name.startswith("IcsFtps") and isinstance(value, type) and issubclass(value, BaseOperator)
}


@pytest.mark.parametrize("path", _KINDS)
def test_every_operator_and_sensor_is_documented(path):
    kind, text = _KINDS[path], "".join(page.read_text() for page in PAGES)
    listed = tables((DOCS / "operators.md").read_text())[0]
    assert path in {f"{row['Module']}.{row['Class']}" for row in listed}
    for name in kind.template_fields:
        assert f"`{name}`" in text


def test_the_doorbells_arguments_are_documented_as_they_are():
    path, arguments = triggers.IcsFtpsOutboxEventTrigger(pattern="*").serialize()
    assert f"`{path}`" in section(DOCS / "by-event.md", "## The trigger")
    shown = {row["Argument"]: row["Default"] for row in table(DOCS / "by-event.md", "## The trigger")}
    assert shown == {name: "" if name == "pattern" else str(value) for name, value in arguments.items()}


def test_what_a_wait_may_wait_for_is_what_the_code_says():
    shown = {
        row["until"]: {StatusCode(int(digit)) for digit in re.findall(r"\d", cells[1])}
        for row in table(DOCS / "waiting.md", "## The sensor")
        for cells in [list(row.values())]
    }
    assert shown == UNTIL
