"""The small file that goes into the gateway's service for pings; what it must hold is not known."""

from __future__ import annotations

import uuid

#: One empty element.
PING = b'<?xml version="1.0" encoding="UTF-8"?>\n<ping/>\n'


def ping_name() -> str:
    """Return a name for a ping, made by chance: a ping files nothing, so it is not repeated under its name."""
    return f"ping{uuid.uuid4().hex}.xml"
