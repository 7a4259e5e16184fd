from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from airflow_provider_icsftps.exceptions import ConfigurationError, GatewayTimeoutError, TransferError
from airflow_provider_icsftps.gateway.landing import landing, local_path

upath = pytest.importorskip("upath")


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fail(target: object, error: BaseException) -> None:
    """Write half a file to a target, and fail."""

    def write_half() -> None:
        with landing(target) as file:
            file.write(b"half")
            file.flush()
            raise error

    with pytest.raises(type(error)):
        write_half()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary files are made that do not stand beside their target."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "downloads"
    path.mkdir()
    return path


@pytest.mark.parametrize(
    "kind", [str, Path, lambda path: upath.UPath(path), lambda path: upath.UPath(f"file://{path}")]
)
def test_a_local_target_exists_when_the_block_has_ended(folder, temporary, kind):
    with landing(kind(folder / "svar æ.xml")) as file:
        file.write(b"svar")
        assert "svar æ.xml" not in content_of(folder)
    assert content_of(folder) == {"svar æ.xml": b"svar"}
    assert content_of(temporary) == {}


def test_an_empty_file_is_a_file(folder):
    with landing(folder / "a"):
        pass
    assert content_of(folder) == {"a": b""}


def test_missing_folders_are_made(folder):
    with landing(folder / "2026" / "01" / "a") as file:
        file.write(b"x")
    assert (folder / "2026" / "01" / "a").read_bytes() == b"x"


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), KeyboardInterrupt(), GatewayTimeoutError("cut"), TransferError("cut")]
)
def test_nothing_is_left_when_the_block_fails(folder, error):
    fail(folder / "a", error)
    assert content_of(folder) == {}


def test_what_went_wrong_first_is_told_also_when_what_is_left_cannot_be_removed(folder):
    def break_the_folder() -> None:
        with landing(folder / "new" / "a") as file:
            file.write(b"half")
            (folder / "new").rename(folder / "old")
            (folder / "new").write_bytes(b"a file")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_the_folder()


def test_an_old_file_is_kept_when_the_block_fails(folder):
    (folder / "a").write_bytes(b"old")
    fail(folder / "a", ZeroDivisionError())
    assert content_of(folder) == {"a": b"old"}


def test_an_old_file_is_replaced_at_once_and_whole(folder):
    (folder / "a").write_bytes(b"old")
    with (folder / "a").open("rb") as reader:
        with landing(folder / "a") as file:
            file.write(b"new")
            file.flush()
            assert (folder / "a").read_bytes() == b"old"
        assert reader.read() == b"old"
    assert content_of(folder) == {"a": b"new"}


def test_two_writers_do_not_meet(folder):
    with landing(folder / "a") as first, landing(folder / "a") as second:
        first.write(b"first")
        second.write(b"second")
    assert content_of(folder) == {"a": b"first"}


def test_the_unfinished_file_is_hidden_from_a_glob(folder):
    with landing(folder / "a.xml") as file:
        file.write(b"x")
        assert list(folder.glob("*.xml")) == []
        assert [path.name[0] for path in folder.iterdir()] == ["."]


def test_a_folder_is_no_target(folder):
    with pytest.raises(ConfigurationError, match="is a folder; give the path of the file"), landing(folder):
        pytest.fail("nothing may be fetched")
    assert content_of(folder) == {}


@pytest.mark.parametrize("name", ["file/a", "file/b/a"])
def test_a_file_is_no_folder(folder, name):
    (folder / "file").write_bytes(b"x")
    with pytest.raises(TransferError, match=r"cannot write it \(.+\); nothing was kept"), landing(folder / name):
        pytest.fail("nothing may be fetched")
    assert content_of(folder) == {"file": b"x"}


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody may write to")
def test_a_folder_that_cannot_be_written_to_is_told():
    with pytest.raises(TransferError, match=r"Download to /proc/a: cannot write it"), landing("/proc/a"):
        pytest.fail("nothing may be fetched")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every folder")
def test_a_folder_of_somebody_else_is_told(folder):
    folder.chmod(0o500)
    with pytest.raises(TransferError, match=r"\(Permission denied\)"), landing(folder / "a"):
        pytest.fail("nothing may be fetched")


def test_a_full_disk_is_told(folder):
    with pytest.raises(TransferError, match=r"cannot write it \(No space left on device\)"), landing(folder / "a"):
        raise OSError(28, "No space left on device")
    assert content_of(folder) == {}


def test_the_gateways_trouble_is_not_the_disks(folder):
    with pytest.raises(ConnectionResetError), landing(folder / "a"):
        raise ConnectionResetError(104, "Connection reset by peer")


def write(target, content):
    with landing(target) as file:
        file.write(content)


class StoreError(Exception):
    """What a store's library raises: none of Python's own."""


class StoreThatIsAway:
    """A path object whose store takes no connections."""

    parent = Path("/")

    def open(self, mode):
        raise ConnectionRefusedError(111, "Connection refused")

    def __str__(self) -> str:
        return "s3://bucket/svar.xml"


def test_a_store_that_is_away_is_not_the_gateways_trouble(temporary):
    expected = r"Download to s3://bucket/svar\.xml: cannot write it \(Connection refused\); nothing was kept"
    with pytest.raises(TransferError, match=expected) as caught, landing(StoreThatIsAway()) as file:
        file.write(b"svar")
    assert caught.value.local
    assert content_of(temporary) == {}


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0o000, 0o666)])
def test_mode_follows_the_umask(folder, mask, mode):
    before = os.umask(mask)
    try:
        with landing(folder / "a"):
            pass
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (folder / "a").stat().st_mode & 0o777 == mode


def test_a_name_of_the_greatest_length_is_a_target(folder):
    with landing(folder / ("m" * 255)) as file:
        file.write(b"x")
    assert content_of(folder) == {"m" * 255: b"x"}


def test_an_object_is_written_when_all_of_it_has_come(temporary):
    target = upath.UPath("memory://landing-whole/in/svar.xml")
    with landing(target) as file:
        file.write(b"svar")
        assert not target.exists()
    assert target.read_bytes() == b"svar"
    assert content_of(temporary) == {}


def test_an_object_is_not_written_when_the_block_fails(temporary):
    target = upath.UPath("memory://landing-failed/svar.xml")
    fail(target, ZeroDivisionError())
    assert not target.exists()
    assert content_of(temporary) == {}


def test_an_object_is_put_whole_and_never_open_for_writing(temporary, monkeypatch):
    """One that is open is closed in the end, and so shown, also when a part was written: a retry took it for whole."""

    def refuse(*_, **__):
        raise StoreError("no more")

    target = upath.UPath("memory://landing-part/svar.xml")
    monkeypatch.setattr(type(target.fs), "_open", lambda *_, **__: pytest.fail("it is open"))
    monkeypatch.setattr(type(target.fs), "put_file", refuse)
    with pytest.raises(TransferError, match=r"svar\.xml: cannot write it \(no more\); nothing was kept"):
        write(target, b"svar")
    assert not target.exists()
    assert content_of(temporary) == {}


def test_a_path_object_that_names_no_store_is_written_to(temporary, folder):
    class Plain:
        parent = folder

        def open(self, mode):
            return (folder / "svar.xml").open(mode)

    write(Plain(), b"svar")
    assert content_of(folder) == {"svar.xml": b"svar"}


def test_a_new_name_is_flushed_to_the_disk(folder, monkeypatch):
    """The gateway's copy may be deleted next."""
    flushed, fsync = [], os.fsync

    def seen(descriptor):
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    write(folder / "svar.xml", b"svar")
    assert flushed[1:] == [folder]


def test_an_old_object_is_kept_when_the_block_fails_and_replaced_when_not():
    target = upath.UPath("memory://landing-old/svar.xml")
    target.write_bytes(b"old")
    fail(target, GatewayTimeoutError("cut"))
    assert target.read_bytes() == b"old"
    with landing(target) as file:
        file.write(b"new")
    assert target.read_bytes() == b"new"


class RefusingStore:
    """A path object whose store takes nothing."""

    protocol = "s3"

    @property
    def parent(self) -> RefusingStore:
        return self

    def __str__(self) -> str:
        return "s3://bucket/svar.xml"

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        raise PermissionError(13, "Access Denied")


def test_a_store_that_refuses_is_told():
    with pytest.raises(TransferError) as caught, landing(RefusingStore()) as file:
        file.write(b"svar")
    assert str(caught.value) == "Download to s3://bucket/svar.xml: cannot write it (Access Denied); nothing was kept"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("a/b", Path("a/b")),
        (Path("/a"), Path("/a")),
        (upath.UPath("file:///a/b"), Path("/a/b")),
        (upath.UPath("memory://a/b"), None),
        (RefusingStore(), None),
        (object(), None),
    ],
    ids=["text", "path", "file-url", "memory-url", "own-store", "no-path"],
)
def test_only_a_local_target_has_a_local_path(target, expected):
    assert local_path(target) == expected


def test_a_name_that_is_too_long_for_the_disk_is_told(folder):
    """255 characters are let through from a listing; a disk may count bytes."""
    with pytest.raises(TransferError, match=r"cannot write it \(File name too long\)"), landing(folder / ("æ" * 200)):
        pass
    assert content_of(folder) == {}
