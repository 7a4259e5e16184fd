"""Times are given to the upload operator as they are to Airflow's sensors: seconds, or a timedelta."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_icsftps.operators.icsftps import IcsFtpsUploadOperator

TIMES = ("poke_interval", "timeout", "outage_timeout")


def operator(**times):
    return IcsFtpsUploadOperator(task_id="file", source="a.xml", service="Manifest", **times)


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("time", [90, 90.0, timedelta(minutes=1, seconds=30)])
def test_seconds_and_timedeltas_are_the_same(name, time):
    assert getattr(operator(**{name: time}), name) == 90.0


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("time", ["3 days", None, -1, timedelta(seconds=-1), 1e12, float("inf"), float("nan")])
def test_what_is_no_time_is_refused_before_anything_is_filed(name, time):
    with pytest.raises(ValueError, match=f"{name}=.* must be seconds from 0 up, or a timedelta"):
        operator(**{name: time})
