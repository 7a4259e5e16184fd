"""The command ``icsftps``."""

from __future__ import annotations


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and exit code 1."""
    try:
        from airflow_provider_icsftps.cli.app import run  # here, so that an import of the package stays light
    except KeyboardInterrupt:  # it takes a moment
        raise SystemExit(130) from None
    run()
