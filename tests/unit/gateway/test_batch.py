"""What became of many files: submissions for all of them, or one error that speaks for those that have none."""

from __future__ import annotations

import json

import pytest

from airflow_provider_icsftps.exceptions import GatewayUnavailableError, IcsFtpsError, LoginRefusedError, TransferError
from airflow_provider_icsftps.gateway import Filing, Outcome, Submission, submissions_of

SUBMISSION = Submission(service="Manifest", file_name="a.xml")


def outcome(name, submission=None, error=None):
    return Outcome(Filing(source=f"{name}.xml", service="Manifest", scope="test"), submission, error)


FILED = outcome("filed", SUBMISSION)
AWAY = outcome("away", error=GatewayUnavailableError("the gateway is away"))
CUT = outcome("cut", error=TransferError("it was cut"))
REFUSED = outcome("refused", error=LoginRefusedError("530", code=530))
NOT_TRIED = outcome("not-tried")


def test_all_are_filed():
    assert submissions_of([FILED, FILED]) == [SUBMISSION, SUBMISSION]
    assert submissions_of([]) == []


@pytest.mark.parametrize(
    ("outcomes", "kind", "message"),
    [
        ([AWAY], GatewayUnavailableError, "the gateway is away"),
        ([NOT_TRIED], IcsFtpsError, "it was not tried; file it again, and what is filed is found"),
        (
            [FILED, AWAY, CUT],
            GatewayUnavailableError,
            "1 of 3 files are filed. away.xml: the gateway is away. Not filed either: cut.xml",
        ),
        # what no retry mends is told first, and that a file was not tried last of all
        (
            [AWAY, REFUSED, FILED],
            LoginRefusedError,
            "1 of 3 files are filed. refused.xml: 530. Not filed either: away.xml",
        ),
        (
            [NOT_TRIED, AWAY],
            GatewayUnavailableError,
            "0 of 2 files are filed. away.xml: the gateway is away. Not filed either: not-tried.xml",
        ),
        # never a shorter list than was asked for
        (
            [FILED, NOT_TRIED],
            IcsFtpsError,
            "1 of 2 files are filed. not-tried.xml: it was not tried; file it again, and what is filed is found",
        ),
    ],
)
def test_a_file_without_a_submission_is_an_error(outcomes, kind, message):
    with pytest.raises(IcsFtpsError) as caught:
        submissions_of(outcomes)
    assert (type(caught.value), str(caught.value)) == (kind, message)


@pytest.mark.parametrize(("what", "state"), [(FILED, "filed"), (AWAY, "failed"), (NOT_TRIED, "not tried")])
def test_as_data_it_tells_the_same(what, state):
    data = json.loads(json.dumps(what.to_data()))
    assert (data["source"], data["state"], what.state) == (what.filing.source, state, state)
    assert (data["submission"] and Submission.from_data(data["submission"])) == what.submission
    assert (data["error"] and str(IcsFtpsError.from_data(data["error"]))) == (what.error and str(what.error))


def test_of_very_many_files_some_are_named():
    with pytest.raises(GatewayUnavailableError, match=r"Not filed either: (away\.xml, ){9}away\.xml and more$"):
        submissions_of([AWAY] + [outcome("away", error=AWAY.error) for _ in range(11)])
