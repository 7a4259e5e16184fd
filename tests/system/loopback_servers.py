"""PostgreSQL and Redis on free loopback ports, each in a folder of its own; the system's services stay untouched."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from processes import end, free_port

INSTALL = "run tests/system/install_servers.sh as root"


def postgres_programs() -> Path | None:
    """Where PostgreSQL's programs are; Debian keeps them out of the search path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


def redis_program() -> str | None:
    """Where Redis is: in Debian's redis-tools, server and checker are one program that goes by its name."""
    return shutil.which("redis-server") or shutil.which("redis-check-rdb")


def missing() -> str:
    """Say what cannot be run here, or nothing."""
    if postgres_programs() is None:
        return f"no PostgreSQL here; {INSTALL}"
    if os.getuid() == 0 and not _account():
        return f"PostgreSQL does not run as root, and there is no user postgres; {INSTALL}"
    if redis_program() is None:
        return f"no Redis here; {INSTALL}"
    return ""


@contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL; gives a database's address without a scheme: ``//user:password@host:port/name``."""
    programs = postgres_programs()
    assert programs is not None
    password, port = secrets.token_hex(8), free_port()
    with _folder("postgres") as folder:
        password_file = folder / "password"
        password_file.write_text(password)
        account = _account()
        if account:
            for path in (folder, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        options = ["-U", "airflow", "-A", "scram-sha-256", f"--pwfile={password_file}", "--no-sync"]
        _run([programs / "initdb", "-D", folder / "data", *options], account)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": "off",  # it lives for one test
        }
        set_so = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [programs / "postgres", "-D", folder / "data", *set_so]
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        with _running(command, folder, ready, account, stop=signal.SIGINT):  # "fast": clients are sent away
            yield f"//airflow:{password}@127.0.0.1:{port}/postgres"


@contextmanager
def redis() -> Iterator[str]:
    """Run Redis; gives its address, without the number of the database at its end."""
    program = redis_program()
    assert program is not None
    password, port = secrets.token_hex(8), free_port()
    with _folder("redis") as folder:
        config = folder / "redis.conf"
        config.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\ndir {folder}\n')
        ready = ["redis-cli", "-h", "127.0.0.1", "-p", str(port), "ping"]
        with _running(["redis-server", config], folder, ready, None, executable=program):
            yield f"redis://:{password}@127.0.0.1:{port}"


def _account() -> pwd.struct_passwd | None:
    """Return Debian's user for PostgreSQL, which refuses to run as root; ``None`` for whoever we are."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"icsftps-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str | Path], account: pwd.struct_passwd | None) -> None:
    done = subprocess.run(
        command, cwd="/", user=account and account.pw_uid, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@contextmanager
def _running(
    command: Sequence[str | Path],
    folder: Path,
    ready: Sequence[str | Path],
    account: pwd.struct_passwd | None,
    *,
    executable: str | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            executable=executable,
            cwd="/",
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=[] if account else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 90
        while subprocess.run(ready, capture_output=True, timeout=10, check=False).returncode:
            said = log.read_text(errors="replace")[-2000:]
            assert process.poll() is None, f"{command[0]} ended: {said}"
            assert time.monotonic() < deadline, f"{command[0]} does not answer: {said}"
            time.sleep(0.1)
        yield
    finally:
        end(process, 10, stop)
