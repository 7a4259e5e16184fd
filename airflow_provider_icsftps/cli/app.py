"""The verbs of ``icsftps``, each in a module of its own."""

from __future__ import annotations

import logging
import signal
import sys

import typer
from rich.console import Console
from rich.logging import RichHandler

from airflow_provider_icsftps import __version__
from airflow_provider_icsftps.cli.archive import archive
from airflow_provider_icsftps.cli.certificate import certificate
from airflow_provider_icsftps.cli.check import check
from airflow_provider_icsftps.cli.connection import connection
from airflow_provider_icsftps.cli.console import bear_any_character
from airflow_provider_icsftps.cli.demo import demo
from airflow_provider_icsftps.cli.download import download
from airflow_provider_icsftps.cli.playground import playground
from airflow_provider_icsftps.cli.simulate import simulate
from airflow_provider_icsftps.cli.status import status
from airflow_provider_icsftps.cli.upload import upload
from airflow_provider_icsftps.exceptions import IcsFtpsError

app = typer.Typer(
    help="File to the Danish customs systems through their FTPS gateway, or try it without one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (certificate, check, connection, demo, download, playground, simulate, status, upload):
    app.command()(command)
app.add_typer(archive, name="archive")


@app.callback(invoke_without_command=True)
def version(
    show: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    """File to the Danish customs systems through their FTPS gateway, or try it without one."""
    if show:
        typer.echo(f"icsftps {__version__}")
        raise typer.Exit


def _leave(number: int, _: object) -> None:
    """End as Ctrl-C does, so that what is under way is broken off: an upload that just ends may be taken for whole."""
    raise SystemExit(128 + number)


def run() -> None:
    """
    Run the command line and end the process with 0 (done), 1 (an error, in one line) or 2 (wrong use).

    Who stops it gets 128 and the number of the signal, as shells have it: 130 for Ctrl-C.
    """
    # Airflow, once it is imported, logs to standard output, which belongs to what a command has to say
    ours = logging.getLogger("airflow_provider_icsftps")
    ours.propagate = False
    ours.addHandler(RichHandler(logging.WARNING, Console(stderr=True), show_time=False, show_path=False))
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # else somebody wants it otherwise, such as nohup
            signal.signal(number, _leave)
    bear_any_character()
    try:
        app()
    except IcsFtpsError as error:
        typer.echo(f"icsftps: {error}", err=True)
        sys.exit(1)
    except OSError as error:  # a folder that cannot be made, a disk that is full
        typer.echo(f"icsftps: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}", err=True)
        sys.exit(1)
