from __future__ import annotations

import threading

import pytest

from airflow_provider_icsftps.exceptions import GatewayUnavailableError, IcsFtpsError, LoginRefusedError
from airflow_provider_icsftps.gateway.patience import Patience, growing_pause

AWAY = GatewayUnavailableError("the gateway is away")


class Clock:
    """Time passes when somebody pauses, and then only."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def borne(patience: Patience, error: IcsFtpsError = AWAY) -> None:
    """Fail for as long as it is borne."""
    for _ in range(10_000):
        patience.bear(error)


def test_pauses_double_up_to_a_minute_and_end_with_the_limit(clock):
    with pytest.raises(GatewayUnavailableError) as caught:
        borne(Patience(200, sleep=clock.pause, clock=clock))
    assert caught.value is AWAY
    assert clock.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 17]
    assert sum(clock.pauses) == 200


def test_an_outage_of_days_is_borne_to_its_end(clock):
    with pytest.raises(GatewayUnavailableError):
        borne(Patience(3 * 86400, sleep=clock.pause, clock=clock))
    assert sum(clock.pauses) == 3 * 86400


def test_a_success_begins_it_anew(clock):
    patience = Patience(5, sleep=clock.pause, clock=clock)
    for _ in range(10):
        patience.bear(AWAY)
        patience.bear(AWAY)
        patience.renew()
    assert clock.pauses == [1, 2] * 10


def test_a_refused_login_is_never_borne(clock):
    with pytest.raises(LoginRefusedError):
        Patience(900, sleep=clock.pause, clock=clock).bear(LoginRefusedError("530"))
    assert clock.pauses == []


def test_no_seconds_bear_nothing(clock):
    with pytest.raises(GatewayUnavailableError):
        Patience(0, sleep=clock.pause, clock=clock).bear(AWAY)
    assert clock.pauses == []


def test_who_fails_while_another_pauses_joins_that_pause(clock):
    """So an outage that all sessions meet at once counts as one failure: four at once would leave pauses of 1 to 8."""
    pausing, over, pauses = threading.Event(), threading.Event(), []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            pausing.set()
            assert over.wait(5)

    patience = Patience(900, sleep=sleep, clock=clock)
    first = threading.Thread(target=patience.bear, args=(AWAY,))
    first.start()
    assert pausing.wait(5)
    clock.now += 0.25
    patience.bear(AWAY)
    clock.now += 5  # the first one's sleep is late in ending
    patience.bear(AWAY)
    over.set()
    first.join()
    patience.bear(AWAY)
    assert pauses == [1, 0.75, 0, 2]


@pytest.mark.parametrize("failures", [12, 1023, 1024, 10**6])
@pytest.mark.parametrize(("first", "longest"), [(1.0, 60.0), (1.0, 300.0), (60.0, 3600.0)])
def test_after_days_of_failures_the_pause_is_the_longest(failures, first, longest):
    assert growing_pause(failures, first, longest) == longest
