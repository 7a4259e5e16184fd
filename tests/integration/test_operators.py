"""The operators against the embedded gateway."""

import json
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, ObjectStoragePath
from airflow.sdk.io import attach
from airflow_task import context
from archived import remove
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_icsftps.exceptions import GatewayUnavailableError
from airflow_provider_icsftps.gateway import GatewayClient
from airflow_provider_icsftps.operators.icsftps import (
    IcsFtpsDeleteOperator,
    IcsFtpsDownloadOperator,
    IcsFtpsUploadOperator,
)

CONTENT = b"<manifest>one</manifest>"


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.xml"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def memory_store():
    """fsspec's memory file system, under memory:// URLs."""
    filesystem = MemoryFileSystem()
    attach("memory", fs=filesystem)
    yield
    filesystem.store.clear()


def upload(source, **arguments):
    return IcsFtpsUploadOperator(task_id="file", source=source, service="Manifest", **arguments)


class TestUpload:
    def test_one_file_gives_one_submission(self, connection, simulator, manifest):
        submission = upload(str(manifest)).execute(context())
        assert ("Manifest", str(manifest), len(CONTENT)) == (
            submission["service"],
            submission["source"],
            submission["size"],
        )
        assert [upload.file_name for upload in simulator.uploads] == [submission["file_name"]]

    def test_a_list_gives_a_list_in_its_order(self, connection, simulator, tmp_path):
        paths = []
        for number in range(4):
            paths.append(tmp_path / f"{number}.xml")
            paths[-1].write_bytes(CONTENT + str(number).encode())
        submissions = upload(paths).execute(context())
        assert [str(path) for path in paths] == [submission["source"] for submission in submissions]
        assert 1 <= simulator.connections.accepted <= 4

    def test_a_retry_returns_the_same_and_sends_nothing(self, connection, simulator, manifest):
        first = upload(str(manifest)).execute(context(try_number=1))
        again = upload(str(manifest)).execute(context(try_number=2))
        assert first["file_name"] == again["file_name"]
        assert len(simulator.uploads) == 1

    def test_another_task_files_under_another_name(self, connection, simulator, manifest):
        names = {upload(str(manifest)).execute(context(task_id=task_id))["file_name"] for task_id in ("a", "b")}
        assert len(names) == 2

    def test_resubmission_may_come_from_a_template(self, connection, simulator, manifest):
        upload(str(manifest)).execute(context())
        upload(str(manifest), resubmission="1").execute(context())
        assert [record.filed for record in simulator.uploads] == [True, True]

    def test_the_files_own_name_can_be_kept(self, connection, manifest):
        assert upload(str(manifest), naming="own").execute(context())["file_name"] == "manifest.xml"

    @pytest.mark.parametrize("make", [str, lambda path: path, lambda path: ObjectStoragePath(f"file://{path}")])
    def test_a_source_may_be_text_a_path_or_an_object_store(self, make, connection, simulator, manifest):
        upload(make(manifest)).execute(context())
        assert simulator.uploads[0].content() == CONTENT

    def test_an_object_store_that_is_not_a_disk(self, connection, simulator, memory_store):
        path = ObjectStoragePath("memory://bucket/manifest.xml")
        path.write_bytes(CONTENT)
        submission = upload("memory://bucket/manifest.xml").execute(context())
        assert simulator.uploads[0].content() == CONTENT
        assert submission["file_name"].startswith("manifest-")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [({"naming": "mine"}, "neither 'unique' nor 'own'"), ({"resubmission": "x"}, "no whole number")],
    )
    def test_a_wrong_argument_fails_for_good(self, arguments, words, connection, simulator, manifest):
        with pytest.raises(AirflowFailException, match=words):
            upload(str(manifest), **arguments).execute(context())
        assert simulator.connections.accepted == 0

    def test_a_gateway_that_is_away_may_pass(self, connection, simulator, manifest):
        simulator.stop()
        with pytest.raises(GatewayUnavailableError):
            upload(str(manifest), outage_timeout=0).execute(context())

    def test_after_a_rejection_a_later_try_takes_new_names_and_gives_up(self, connection, simulator, manifest):
        """The end of the earlier try is not known: what was rejected may have been a cut copy."""
        simulator.reject("*", "FIRST_RECORD_INCORRECT", "Bad header.", "Mend it.")
        first = upload(str(manifest)).execute(context())["file_name"]
        with pytest.raises(AirflowFailException, match=r"3 transfers, the last as .*-g3"):
            upload(str(manifest)).execute(context(try_number=2))
        names = [first.replace(".xml", ending) for ending in (".xml", "-g2.xml", "-g3.xml")]
        assert [record.file_name for record in simulator.uploads] == names
        assert not any(record.filed for record in simulator.uploads)


class TestDownload:
    @pytest.fixture
    def outbox(self, connection, simulator):
        for name in ("a.xml", "b.xml", "c.txt"):
            simulator.put_in_outbox(name, CONTENT + name.encode())
        return simulator

    def fetch(self, tmp_path, **arguments):
        return IcsFtpsDownloadOperator(task_id="fetch", target=str(tmp_path / "to"), **arguments).execute(context())

    @pytest.mark.parametrize(
        "responses",
        [
            "a.xml",
            ["a.xml"],
            {"responses": ["a.xml"]},
            [{"responses": ["a.xml"]}, {"responses": []}],
        ],
    )
    def test_by_what_came_before(self, responses, outbox, tmp_path):
        assert self.fetch(tmp_path, responses=responses) == [str(tmp_path / "to" / "a.xml")]
        assert (tmp_path / "to" / "a.xml").read_bytes() == CONTENT + b"a.xml"

    def test_by_a_pattern(self, outbox, tmp_path):
        assert self.fetch(tmp_path, pattern="*.xml") == [str(tmp_path / "to" / name) for name in ("a.xml", "b.xml")]

    def test_status_files_come_along_when_asked_for(self, connection, simulator, manifest, tmp_path):
        submission = upload(str(manifest)).execute(context())
        name = f"status_Manifest_{submission['file_name']}_1.xml"
        answer = {"responses": [], "statuses": [{"name": name}]}
        assert self.fetch(tmp_path, responses=answer, status_files=True) == [str(tmp_path / "to" / name)]

    def test_what_an_earlier_try_fetched_counts(self, outbox, tmp_path):
        first = self.fetch(tmp_path, responses=["a.xml"])
        IcsFtpsDeleteOperator(task_id="delete", responses=["a.xml"]).execute(context())
        assert first == self.fetch(tmp_path, responses=["a.xml"])

    def test_what_is_nowhere_fails(self, outbox, tmp_path):
        with pytest.raises(AirflowFailException, match=r"FileNotAvailableError: Download of /out/gone\.xml"):
            self.fetch(tmp_path, responses=["gone.xml"])

    def test_into_an_object_store(self, outbox, memory_store):
        target = "memory://bucket/fetched"
        IcsFtpsDownloadOperator(task_id="fetch", target=target, responses=["a.xml"]).execute(context())
        assert ObjectStoragePath(f"{target}/a.xml").read_bytes() == CONTENT + b"a.xml"

    @pytest.mark.parametrize("arguments", [{}, {"responses": ["a"], "pattern": "*"}, {"responses": 5}])
    def test_it_must_be_told_what(self, arguments, connection, tmp_path):
        with pytest.raises(AirflowFailException, match="ConfigurationError"):
            self.fetch(tmp_path, **arguments)

    def test_a_name_that_leads_elsewhere_is_refused(self, outbox, tmp_path):
        with pytest.raises(AirflowFailException, match="InvalidNameError"):
            self.fetch(tmp_path, responses=["../../etc/passwd"])


class TestDelete:
    def test_by_names_and_again_is_no_error(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")
        simulator.put_in_outbox("b.xml", b"1")
        operator = IcsFtpsDeleteOperator(task_id="delete", responses=["a.xml"])
        assert operator.execute(context()) == ["a.xml"]
        assert operator.execute(context()) == []
        assert simulator.outbox() == ["b.xml"]

    def test_by_a_pattern(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")
        assert IcsFtpsDeleteOperator(task_id="delete", pattern="*.xml").execute(context()) == ["a.xml"]

    def test_a_file_that_goes_meanwhile_is_no_error(self, connection, simulator, monkeypatch):
        for name in ("a.xml", "b.xml", "c.xml"):
            simulator.put_in_outbox(name, b"1")
        usual = GatewayClient.delete

        def meanwhile(client, name):
            if name == "b.xml":
                remove(simulator, name)  # after it was listed
            return usual(client, name)

        monkeypatch.setattr(GatewayClient, "delete", meanwhile)
        deleted = IcsFtpsDeleteOperator(task_id="delete", pattern="*.xml").execute(context())
        assert deleted == ["a.xml", "c.xml"]
        assert simulator.outbox() == []

    def test_never_on_a_read_only_gateway(self, simulator, monkeypatch):
        values = simulator.connection()
        values["extra"]["read_only"] = True
        monkeypatch.setenv("AIRFLOW_CONN_READER", json.dumps(values))
        with pytest.raises(AirflowFailException, match="ReadOnlyGatewayError"):
            IcsFtpsDeleteOperator(task_id="delete", pattern="*", icsftps_conn_id="reader").execute(context())
        assert simulator.connections.accepted == 0


def rendered(operator, pulled):
    """An operator whose templates were rendered as Airflow does it: into text."""
    ti = SimpleNamespace(xcom_pull=lambda task_id: pulled)
    operator.render_template_fields({"ti": ti})
    return operator


class TestTemplatesGiveText:
    PULL = pytest.mark.parametrize("template", ["{{ ti.xcom_pull('x') }}", "{{ ti.xcom_pull('x') | tojson }}"])

    @PULL
    def test_responses(self, template, connection, simulator, tmp_path):
        simulator.put_in_outbox("a.xml", b"1")
        answer = {"responses": ["a.xml"], "statuses": [{"name": "none.xml", "timestamp": None}]}
        for pulled in (answer, [answer], ["a.xml"]):
            fetch = IcsFtpsDownloadOperator(task_id="fetch", responses=template, target=str(tmp_path))
            assert rendered(fetch, pulled).execute(context()) == [str(tmp_path / "a.xml")]
        delete = IcsFtpsDeleteOperator(task_id="delete", responses=template)
        assert rendered(delete, answer).execute(context()) == ["a.xml"]

    @PULL
    def test_sources(self, template, connection, simulator, manifest):
        submissions = rendered(upload(template), [str(manifest)]).execute(context())
        assert [submission["source"] for submission in submissions] == [str(manifest)]
        assert len(simulator.uploads) == 1

    @pytest.mark.parametrize("pulled", [None, ""])
    def test_nothing_is_not_taken_for_a_name(self, pulled, connection, simulator, manifest, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)  # an archive "None" would be made here
        template = "{{ ti.xcom_pull('x') }}"
        for operator in (
            IcsFtpsDeleteOperator(task_id="delete", responses=template),
            IcsFtpsDownloadOperator(task_id="fetch", pattern="*", target=template),
            IcsFtpsDownloadOperator(task_id="keep", archive=template),
            upload(template),
            upload(str(manifest), archive=template),
        ):
            with pytest.raises(AirflowFailException, match="a template may have had nothing to give"):
                rendered(operator, pulled).execute(context())
        assert list(tmp_path.iterdir()) == [manifest]
        assert simulator.uploads == []

    def test_names_that_are_nothing_in_the_end_do_not_mean_all_files(self, connection, simulator, tmp_path):
        simulator.put_in_outbox("a.xml", b"1")
        fetch = IcsFtpsDownloadOperator(task_id="fetch", responses=["a.xml"], archive=str(tmp_path / "archive"))
        fetch.responses = None  # what Airflow puts there when the task before it returned nothing
        with pytest.raises(AirflowFailException, match="responses is NoneType; give what a sensor returned"):
            fetch.execute(context())
        assert simulator.connections.accepted == 0

    def test_a_file_whose_name_looks_like_a_list_is_a_file(self, connection, simulator, tmp_path):
        path = tmp_path / "[1].xml"
        path.write_bytes(CONTENT)
        upload(str(path)).execute(context())
        simulator.put_in_outbox("[2].xml", b"1")
        assert IcsFtpsDeleteOperator(task_id="delete", responses="[2].xml").execute(context()) == ["[2].xml"]


@pytest.mark.parametrize("operator", [IcsFtpsUploadOperator, IcsFtpsDownloadOperator, IcsFtpsDeleteOperator])
def test_template_fields_are_documented_attributes(operator):
    for name in operator.template_fields:
        line = operator.__doc__.split(f":param {name}:")[1].split(":param")[0]
        assert "(templated)" in line


def test_a_submission_holds_only_json_types(connection, manifest):
    submission = upload(str(manifest)).execute(context())
    assert {str, int} >= {type(value) for value in submission.values()}
