from __future__ import annotations

import gzip
import hashlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_icsftps.exceptions import TransferError
from airflow_provider_icsftps.gateway.sources import Measure, MeasuredFile, measure, opened

CONTENT = b"<afgang>R\xc3\xb8nne</afgang>\n"
SHA = hashlib.sha256(CONTENT).hexdigest()


class RaggedFile:
    """A file that gives fewer bytes than it is asked for."""

    def __init__(self, content: bytes, piece: int) -> None:
        self._file = io.BytesIO(content)
        self._piece = piece

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, self._piece))


class BadDisk(io.RawIOBase):
    """A file whose first block can be read, and nothing behind it."""

    def __init__(self) -> None:
        self._blocks = 1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._blocks:
            raise OSError(5, "Input/output error")
        self._blocks -= 1
        return len(buffer)


def drain(file: MeasuredFile, block: int, given_out: bytearray) -> None:
    buffer = bytearray(block)
    while count := file.readinto(memoryview(buffer)):
        assert count <= block
        given_out += buffer[:count]


class TestMeasure:
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
    def test_content_in_memory(self, kind):
        assert measure(kind(CONTENT)) == Measure(len(CONTENT), SHA)

    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_local_file(self, tmp_path, kind):
        path = tmp_path / "afgang æ.xml"
        path.write_bytes(CONTENT)
        assert measure(kind(path)) == Measure(len(CONTENT), SHA)

    def test_an_object_in_a_store(self):
        path = pytest.importorskip("upath").UPath("memory://sources/afgang.xml")
        path.write_bytes(CONTENT)
        assert measure(path) == Measure(len(CONTENT), SHA)

    def test_an_empty_file(self):
        assert measure(b"") == Measure(0, hashlib.sha256(b"").hexdigest())

    def test_more_than_one_block(self):
        content = os.urandom(1000) * 2500
        assert measure(content) == Measure(2_500_000, hashlib.sha256(content).hexdigest())

    def test_a_missing_file_is_named(self, tmp_path):
        path = tmp_path / "afgang.xml"
        with pytest.raises(TransferError) as caught:
            measure(path)
        expected = f"File {path} cannot be opened (No such file or directory); nothing was sent"
        assert expected == str(caught.value)
        assert isinstance(caught.value.__cause__, FileNotFoundError)

    def test_a_folder_is_no_file(self, tmp_path):
        with pytest.raises(TransferError, match=r"cannot be opened \(Is a directory\); nothing was sent"):
            measure(str(tmp_path))

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
    def test_a_file_of_somebody_else_is_named(self, tmp_path):
        path = tmp_path / "afgang.xml"
        path.write_bytes(CONTENT)
        path.chmod(0)
        with pytest.raises(TransferError, match=r"cannot be opened \(Permission denied\)"):
            measure(path)

    def test_a_disk_that_fails_while_reading_is_told(self):
        with pytest.raises(TransferError, match=r"cannot be read \(Input/output error\); nothing was sent"):
            measure(BadDisk())

    @pytest.mark.parametrize(
        ("damaged", "why"),
        [
            pytest.param(gzip.compress(CONTENT)[:-10], "end-of-stream", id="cut short"),
            pytest.param(gzip.compress(CONTENT, 0)[:10] + b"\xff" * 40, "invalid block type", id="damaged"),
            pytest.param(CONTENT, "Not a gzipped file", id="not compressed"),
        ],
    )
    def test_a_compressed_file_that_cannot_be_read_is_told(self, damaged, why):
        with pytest.raises(TransferError, match=rf"cannot be read \(.*{why}.*\); nothing was sent") as caught:
            measure(gzip.GzipFile(fileobj=io.BytesIO(damaged)))
        assert caught.value.local


class TestOpened:
    def test_a_file_that_was_given_stays_open(self):
        file = io.BytesIO(CONTENT)
        with opened(file) as same:
            assert same is file
        assert not file.closed

    def test_a_file_that_was_opened_is_closed(self, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(CONTENT)
        with opened(path) as file:
            assert file.read() == CONTENT
        assert file.closed

    def test_the_users_own_trouble_is_not_the_files(self, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(CONTENT)
        with pytest.raises(FileExistsError), opened(path):
            raise FileExistsError


BLOCKS = st.integers(1, 40)
CONTENTS = st.binary(max_size=120)


class TestMeasuredFile:
    @given(CONTENTS, BLOCKS, BLOCKS)
    def test_the_file_that_was_measured_passes_unchanged(self, content, block, piece):
        out = bytearray()
        file = MeasuredFile(RaggedFile(content, piece), measure(content), "a.xml")
        drain(file, block, out)
        assert out == content
        assert file.readinto(memoryview(bytearray(block))) == 0

    @given(CONTENTS, CONTENTS, BLOCKS, BLOCKS)
    def test_the_end_of_another_file_is_never_reached(self, before, now, block, piece):
        if before == now:
            now += b"x"
        out = bytearray()
        file = MeasuredFile(RaggedFile(now, piece), measure(before), "a.xml")
        with pytest.raises(TransferError, match=r"File a\.xml changed while it was being sent"):
            drain(file, block, out)
        assert len(out) < max(len(before), 1)
        assert now.startswith(bytes(out))

    @given(st.binary(min_size=1, max_size=120), st.data(), BLOCKS)
    def test_the_last_block_of_changed_content_is_held_back(self, before, data, block):
        now = bytearray(before)
        now[data.draw(st.integers(0, len(now) - 1))] ^= data.draw(st.integers(1, 255))
        out = bytearray()
        with pytest.raises(TransferError):
            drain(MeasuredFile(io.BytesIO(now), measure(before), "a.xml"), block, out)
        assert len(out) == (len(before) - 1) // block * block

    @pytest.mark.parametrize(
        ("now", "read"),
        [
            pytest.param(b"", 0, id="emptied"),
            pytest.param(CONTENT[:-1], len(CONTENT) - 1, id="shrunk"),
            pytest.param(CONTENT + b"x", len(CONTENT) + 1, id="grown"),
            pytest.param(CONTENT.swapcase(), len(CONTENT), id="changed"),
        ],
    )
    @pytest.mark.parametrize("block", [1, 7, len(CONTENT), 1000])
    def test_what_happened_is_told(self, now, read, block):
        out = bytearray()
        with pytest.raises(TransferError) as caught:
            drain(MeasuredFile(io.BytesIO(now), measure(CONTENT), "/data/afgang.xml"), block, out)
        assert str(caught.value) == (
            f"File /data/afgang.xml changed while it was being sent ({len(CONTENT)} bytes were measured, "
            f"{read} read, or other content); the upload was aborted. Let nothing write to it, and try again"
        )

    def test_a_file_that_never_ends_is_not_read_for_ever(self):
        class Endless:
            def read(self, size: int) -> bytes:
                return b"x" * size

        out = bytearray()
        with pytest.raises(TransferError):
            drain(MeasuredFile(Endless(), Measure(100, SHA), "a"), 10, out)
        assert len(out) < 100

    def test_a_file_that_grows_under_our_hands_is_noticed(self, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(CONTENT)
        out = bytearray()
        with opened(path) as file:
            measured = MeasuredFile(file, measure(path), "a")
            buffer = bytearray(5)
            out += buffer[: measured.readinto(memoryview(buffer))]
            path.write_bytes(CONTENT * 1000)
            with pytest.raises(TransferError):
                drain(measured, 5, out)
        assert len(out) < len(CONTENT)
