"""``icsftps archive``: look into an archive, and read it against its records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from airflow_provider_icsftps.cli.console import say_json
from airflow_provider_icsftps.cli.progress import progress_of
from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway import Archive, Findings, Record, Shelf, Span

archive = typer.Typer(help="Look into an archive of what was fetched and filed.", no_args_is_help=True)

_Place = Annotated[
    str, typer.Argument(metavar="PATH", help="The archive: a folder, or URL such as s3://bucket/archive.")
]
_Json = Annotated[bool, typer.Option("--json", help="For a machine to read.")]


@archive.command()
def verify(path: _Place, as_json: _Json = False) -> None:
    """Read every file against its record; ends with 1 if anything that was kept is not whole."""
    place = _opened(path)
    with progress_of(
        TextColumn("{task.fields[records]} files"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days,"),
        DownloadColumn(),
        TimeRemainingColumn(),
    ) as progress:
        bar = progress.add_task("verify", total=None, records=0)

        def show(found: Findings) -> None:
            progress.update(bar, total=found.days, completed=found.days_done, records=found.records)

        found = place.verify(show)
    if as_json:
        say_json(found.to_data())
    else:
        for problem in found.problems:
            typer.echo(f"{problem.kind}: {problem.path}: {problem.text}")
        damaged = sum(problem.is_damage for problem in found.problems)
        typer.echo(
            f"{found.records} records, {found.contents} files with {found.bytes} bytes were read: "
            f"{damaged or 'none'} damaged, {len(found.problems) - damaged or 'none'} astray"
        )
    if not found.whole:
        raise typer.Exit(1)


@archive.command("list")
def list_(
    path: _Place,
    since: Annotated[str, typer.Option(help="From this day or moment on, such as 2026-11-24.")] = "",
    until: Annotated[str, typer.Option(help="Up to this day or moment, which does not belong to it.")] = "",
    filed: Annotated[bool, typer.Option("--filed", help="What was filed, instead of what was fetched.")] = False,
    as_json: _Json = False,
) -> None:
    """List what is kept by the gateway's time of it, and for which time the archive cannot answer."""
    place = _opened(path)
    start, end = _moment(since, place.zone), _moment(until, place.zone)
    kind = "filed" if filed else "out"
    shelves = place.shelves()
    gaps = [] if filed else [(shelf, gap) for shelf in shelves for gap in _gaps(shelf, start, end)]
    if as_json:
        records = [record.to_data() for shelf in shelves for record in shelf.records(start, end, kind=kind)]
        shown = [{"shelf": shelf.name} | gap.to_data() for shelf, gap in gaps]
        say_json({"records": records, "gaps": shown})
        return
    for shelf in shelves:
        table = Table(title=Text(shelf.name), title_justify="left", box=None)
        for heading in ("Time", "Bytes", "Name", "Digit", "Answers"):
            table.add_column(heading, overflow="fold", justify="right" if heading == "Bytes" else "left")
        for record in shelf.records(start, end, kind=kind):
            table.add_row(*map(Text, _row(record, place.zone)))
        Console().print(table)
    for shelf, gap in gaps:
        since, until = (moment.astimezone(place.zone).isoformat(sep=" ") for moment in (gap.since, gap.until))
        typer.echo(f"Not known to be complete: {since} to {until} ({shelf.name})")


def _gaps(shelf: Shelf, start: datetime | None, end: datetime | None) -> list[Span]:
    if start is None:
        return []  # an archive begins somewhere; before that there is always a gap
    return shelf.gaps(start, end or datetime.now(UTC).replace(microsecond=0))


def _row(record: Record, zone: ZoneInfo) -> tuple[str, ...]:
    answers = record.answers or {}
    return (
        f"{record.moment.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        str(record.size),
        record.name.encode("utf-8", "backslashreplace").decode(),
        "-" if record.digit is None else str(record.digit),
        "/".join(answers.values()) or "-",
    )


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no day or moment; write it like 2026-11-24 or 2026-11-24T07:45"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _opened(path: str) -> Archive:
    if "://" not in path:
        return Archive(path)
    from upath import UPath  # Airflow brings it; loading it takes a while

    try:
        root = UPath(path)
        return Archive(root if hasattr(root.fs, "ls") else path)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"Archive {path} cannot be reached: {error}") from error
