from __future__ import annotations

import ftplib

import pytest

from airflow_provider_icsftps.exceptions import (
    CertificateError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    LoginRefusedError,
)
from airflow_provider_icsftps.gateway._door import Door, FleetCancelledError, NoSeatError


class Knock:
    """A login with an outcome, and how often it was tried."""

    def __init__(self, outcome: BaseException | None = None) -> None:
        self.outcome = outcome
        self.tried = 0

    def __call__(self):
        self.tried += 1
        if self.outcome is not None:
            raise self.outcome
        return self


def busy() -> GatewayUnavailableError:
    error = GatewayUnavailableError("421 too many users")
    error.__cause__ = ftplib.error_temp("421 too many users")
    return error


@pytest.fixture
def door() -> Door:
    """A door with one session in, called ``first``."""
    door = Door()
    door.enter("first", Knock())
    return door


def test_who_logs_in_gets_the_session_and_is_in():
    door, knock = Door(), Knock()
    assert not door.has_let_in
    assert door.enter("first", knock) is knock
    assert door.has_let_in
    door.leave("first")
    assert not door.has_let_in


@pytest.mark.parametrize("no", [LoginRefusedError("530"), busy(), GatewayTimeoutError("no answer")], ids=repr)
def test_a_further_session_that_is_turned_away_is_one_too_many_and_no_other_one_knocks(door, no):
    with pytest.raises(NoSeatError):
        door.enter("second", Knock(no))
    assert door.is_full
    third = Knock()
    with pytest.raises(NoSeatError):
        door.enter("third", third)
    assert third.tried == 0


def test_a_session_that_was_lost_is_not_opened_again_when_there_are_too_many(door):
    """The others go on with its work; it would meet the limit, and a wrong password would be tried once more."""
    door.enter("second", Knock())
    with pytest.raises(NoSeatError):
        door.enter("third", Knock(busy()))
    second = Knock()
    with pytest.raises(NoSeatError):
        door.enter("second", second)
    assert second.tried == 0
    first = Knock()
    assert door.enter("first", first) is first


@pytest.mark.parametrize("no", [LoginRefusedError("530"), busy()], ids=repr)
def test_a_session_that_was_lost_and_is_turned_away_leaves_its_work_to_the_others(door, no):
    door.enter("second", Knock())
    with pytest.raises(NoSeatError):
        door.enter("second", Knock(no))
    assert door.is_full


def test_a_session_that_was_lost_and_finds_the_gateway_away_says_so(door):
    """It was in: that it does not get an answer now is no limit."""
    door.enter("second", Knock())
    with pytest.raises(GatewayTimeoutError):
        door.enter("second", Knock(GatewayTimeoutError("no answer")))
    assert not door.is_full


def test_a_refusal_of_the_only_session_is_for_good(door):
    refusal = LoginRefusedError("530")
    with pytest.raises(LoginRefusedError):
        door.enter("first", Knock(refusal))
    another = Knock()
    with pytest.raises(LoginRefusedError) as caught:
        door.enter("second", another)
    assert caught.value is refusal
    assert another.tried == 0


@pytest.mark.parametrize("error", [busy(), CertificateError("expired", reason="expired")], ids=repr)
def test_what_else_the_only_session_meets_is_tried_again(door, error):
    with pytest.raises(type(error)):
        door.enter("first", Knock(error))
    assert door.enter("first", Knock())


def test_nobody_gets_in_when_the_fleet_was_cancelled(door):
    door.is_closed = True
    knock = Knock()
    with pytest.raises(FleetCancelledError):
        door.enter("first", knock)
    assert knock.tried == 0


@pytest.mark.parametrize("outcome", [None, LoginRefusedError("530"), busy()], ids=repr)
def test_a_login_during_which_the_fleet_is_cancelled_says_nothing_else(door, outcome):
    def log_in():
        door.is_closed = True
        return Knock(outcome)()

    with pytest.raises(FleetCancelledError):
        door.enter("first", log_in)
