"""What the blocks of a page find when they run: a gateway, a connection to it, files."""

from __future__ import annotations

import base64
import configparser
import json
import os
import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, PartitionedAssetTimetable
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.module_loading import import_string
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_icsftps.gateway import GatewaySettings, Record, Submission
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import read_fields
from airflow_provider_icsftps.simulator.issued import pkcs12_file
from docs.pages import ROOT, Block
from docs.running import Shell, parse_icsftps, run_dag, run_icsftps, run_python

EXAMPLE = ROOT / "example_dags" / "manifest_submission.py"
PASSPHRASE = "of the .p12 file"  # what the pages write in its place
VARIABLES = set(re.findall(r"^([A-Z]+) \?=", (ROOT / "Makefile").read_text(), re.M))
TARGETS = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M))


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
        self.use_connection("icsftps_old", simulator.connection())
        self.use_connection("icsftps_legacy", simulator.connection())
        simulator.write_credentials(folder)
        simulator.put_in_outbox("notice_1.xml", b"<notice/>")
        simulator.put_in_outbox("Manifest_departure_response1.xml", b"<receipt/>")
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
        text = block.text.replace('"/data/', f'"{self.folder}/').replace('"/tmp/icsftps', f'"{self.folder}/icsftps')
        value = run_python(text, self.namespace, str(block))
        if isinstance(value, DAG):
            assert DagSerialization.to_dict(value)["dag"]["dag_id"] == value.dag_id
            if not _needs_airflow(value):  # those are run by Airflow itself, in other tests
                returned = run_dag(value)
                assert all(returned.values()), returned

    def bash(self, block: Block) -> None:
        calls, variables = self.shell.run(block.text)
        for name, *arguments in calls:
            if name == "icsftps":
                run_icsftps([argument.replace("/data", str(self.folder)) for argument in arguments], PASSPHRASE)
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
            check_command(*split_command(command))

    def json(self, block: Block) -> None:
        values = json.loads(block.text)
        if block.mark in {"submission", "answer"}:
            more = {"statuses", "responses"} if block.mark == "answer" else set()
            assert {f.name for f in fields(Submission)} | more == set(values)
            return
        if block.mark == "triggers":
            for path, arguments in values.items():
                assert import_string(path)(**arguments).serialize() == (path, arguments)
            return
        if block.mark == "record":
            assert {f.name for f in fields(Record)} - {"folder", "record"} | {"format"} == set(values)
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


def _needs_airflow(dag: DAG) -> bool:
    """Tell whether a DAG's tasks get what only a scheduler has: mapped inputs, a partition."""
    return isinstance(dag.timetable, PartitionedAssetTimetable) or any(
        isinstance(task, MappedOperator) or task.get_closest_mapped_task_group() is not None for task in dag.tasks
    )


def split_command(command: str) -> tuple[str, list[str]]:
    name, *arguments = shlex.split(command)
    return name, arguments


def check_command(name: str, arguments: list[str]) -> None:
    """Fail if a command or an option of it does not exist."""
    if name == "make":
        verbs = {argument for argument in arguments if "=" not in argument}
        variables = {argument.partition("=")[0] for argument in arguments} - verbs
        assert verbs <= TARGETS
        assert variables <= VARIABLES
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
    elif name == "python":
        assert arguments[:2] == ["-m", "pytest"]
        assert all((ROOT / argument).exists() for argument in arguments[2:] if not argument.startswith("-"))
    else:
        assert name in {"git", "base64", "curl", "pytest"}
