"""What an archive says of itself: its format, and the time zone in which a day begins and ends."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway._archive_layout import DESCRIPTION
from airflow_provider_icsftps.gateway._archive_store import check_root, put, read
from airflow_provider_icsftps.gateway.status import GATEWAY_ZONE

_FORMAT = 1


class Description:
    """
    An archive's root with its description.

    :param root: as :class:`~airflow_provider_icsftps.gateway.archive.Archive` takes it.
    :param zone: as :class:`~airflow_provider_icsftps.gateway.archive.Archive` takes it.
    """

    def __init__(self, root: Any, zone: str | None) -> None:
        self.root = check_root(root)
        self._wanted = zone
        self._zone: ZoneInfo | None = None
        if zone is not None:
            _zone(zone)

    def exists(self) -> bool:
        """Say whether the archive has been begun."""
        return read(self.root / DESCRIPTION) is not None

    @property
    def zone(self) -> ZoneInfo:
        """
        The time zone in which a day begins and ends.

        :raises ConfigurationError: when the archive was begun with another zone or by a later version.
        :raises TransferError: when the archive cannot be read.
        """
        if self._zone is None:
            content = read(self.root / DESCRIPTION)
            if content is None:
                return _zone(self._wanted or GATEWAY_ZONE)
            self._zone = self._described(content)
        return self._zone

    def begin(self) -> None:
        """
        Write the description, if there is none yet.

        :raises ConfigurationError: when the archive was begun with another zone or by a later version.
        :raises TransferError: when the archive cannot be read or written.
        """
        zone = self.zone
        if self._zone is None:
            description = {"format": _FORMAT, "zone": zone.key}
            put(self.root / DESCRIPTION, json.dumps(description, indent=2).encode() + b"\n")
            self._zone = zone

    def _described(self, content: bytes) -> ZoneInfo:
        try:
            description = json.loads(content)
            known, zone = description["format"] == _FORMAT, str(description["zone"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"Archive {self.root}: {DESCRIPTION} cannot be read ({error!r}); restore it, or write it anew: "
                f'{{"format": {_FORMAT}, "zone": "{GATEWAY_ZONE}"}}, or the zone that the archive was begun with'
            ) from error
        if not known:
            raise ConfigurationError(
                f"Archive {self.root} was begun by a later version of this package; update it here"
            )
        if self._wanted not in (None, zone):
            raise ConfigurationError(
                f"Archive {self.root} has days of the zone {zone}, not {self._wanted}; leave the zone out, or begin "
                "another archive"
            )
        return _zone(zone)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(f"There is no time zone {name!r}; write it like {GATEWAY_ZONE}") from error
