"""Airflow's task state store, for tests without Airflow around them."""

from __future__ import annotations

import json
import re
from typing import Any

#: What Airflow 3.3.0 can put into a URL as it is, and its database into a column.
KEY = re.compile("[A-Za-z0-9_.~-]{1,512}")


class StateStore(dict):
    """A task state store as Airflow 3.3 has it: values that survive a try, as JSON."""

    def get(self, key: str, default: Any = None) -> Any:
        assert KEY.fullmatch(key), key
        return super().get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        assert KEY.fullmatch(key), key
        self[key] = json.loads(json.dumps(value))
