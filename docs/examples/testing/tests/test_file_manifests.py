from pathlib import Path

import pytest

DAG_FILE = Path(__file__).parents[1] / "dags" / "file_manifests.py"


@pytest.fixture
def run(icsftps_run_dag, tmp_path):
    """Run the DAG on a folder with one manifest."""
    (tmp_path / "departure.xml").write_text("<departure/>")
    return lambda **more: icsftps_run_dag(
        DAG_FILE, conf={"folder": str(tmp_path), "target": str(tmp_path / "responses")}, **more
    )


def test_it_files_a_manifest_and_fetches_the_answer(run, icsftps_gateway, tmp_path):
    assert run().state == "success"
    (upload,) = icsftps_gateway.uploads
    assert upload.filed
    assert upload.content() == b"<departure/>"
    (response,) = (tmp_path / "responses").iterdir()
    assert b"<result>OK</result>" in response.read_bytes()


def test_a_rejection_fails_the_task_with_the_words_of_the_gateway(run, icsftps_gateway):
    icsftps_gateway.reject(error_code="LAST_RECORD_INCORRECT", message="The declaration has no trailer.")
    result = run()
    assert result.state == "failed"
    waited = result.task("journey.wait", 0)
    assert waited.tries == 1  # the same file again would be rejected again
    assert "LAST_RECORD_INCORRECT" in waited.error
    assert "The declaration has no trailer." in waited.error


def test_an_answer_that_comes_after_two_days_is_waited_for(run, icsftps_gateway):
    icsftps_gateway.answer_after({2: 172_800, 3: 172_800})
    assert run().state == "success"


def test_an_outage_is_outlived(run, icsftps_gateway):
    icsftps_gateway.faults.busy_421(times=2)  # nobody gets in twice,
    icsftps_gateway.start_outage(seconds=4 * 3600)  # and customs says nothing for four hours
    assert run().state == "success"
    assert [upload.filed for upload in icsftps_gateway.uploads] == [True]


def test_a_retry_files_nothing_twice(run, icsftps_gateway):
    icsftps_gateway.faults.drop_control_before_226()  # the file gets through, but the gateway's word does not
    icsftps_gateway.faults.busy_421(times=4, skip=1)  # and then nobody gets in, until the try gives up
    result = run(timeout=1)
    assert result.state == "success"
    assert result.task("journey.file", 0).tries > 1
    assert [upload.filed for upload in icsftps_gateway.uploads] == [True]
