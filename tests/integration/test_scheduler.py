"""A Dask scheduler that cannot be reached: one line that says why, and what to correct."""

import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Cluster
from repositories import PROJECT
from servers import HOST, free_port, greeting_server, silent_server

from fashionbench.errors import WorkerError
from fashionbench.workers import scheduler
from fashionbench.workers.local import open_workers
from fashionbench.workers.scheduler import SCHEDULER_VARIABLE

COMM = "DASK_DISTRIBUTED__COMM__"
NOT_TLS = {f"{COMM}TLS__CA_FILE": "ca.pem", f"{COMM}TLS__WORKER__CERT": "ca.pem"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a scheduler."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def start_worker(
    folder: Path, environment: dict[str, str], *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """Run ``fashionbench worker`` until it fails."""
    (folder / "ca.pem").write_text("no certificate\n")
    (folder / "key.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    (folder / "malformed.yaml").write_text("distributed:\n  comm: [unclosed\n")
    command = [sys.executable, "-m", "fashionbench", "worker", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "", "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("change", "environment", "options", "line"),
    [
        (("tcp:", "http:"), {}, "", "answers (unknown address scheme 'http'"),
        ((":{port}", ""), {}, "", "answers (missing port number in address"),
        ((":{port}", ":99999"), {}, "", "answers (ports are 1 to 65535"),
        (("tcp:", "tls:"), {}, "", "answers (TLS expects a `ssl_context`"),
        (("tcp:", "tls:"), NOT_TLS, "", "answers ([X509"),
        (("", ""), {}, "--tls-ca-file nowhere.pem", "(ca_file = nowhere.pem is not a file)"),
        (("", ""), {f"{COMM}REQUIRE_ENCRYPTION": "True"}, "", "answers (encryption required"),
        (("", ""), {f"{COMM}TIMEOUTS__CONNECT": "abc"}, "", "time unit: abc. Valid"),
        (("", ""), {f"{COMM}TIMEOUTS__TCP": "abc"}, "", f"settings ({COMM}TIMEOUTS__TCP, the"),
        (("", ""), {f"{COMM}TIMEOUTS__CONNECT": "None"}, "", "connect = None is not a time"),
        (("", ""), {f"{COMM}RETRY__COUNT": "many"}, "", f"settings ({COMM}RETRY__COUNT, the"),
        (("", ""), {}, "--tls-key key.pem", "(the key has a pass phrase, which Dask cannot"),
        (("", ""), {"DASK_CONFIG": "malformed.yaml"}, "", "malformed.yaml' is malformed, "),
        (("", ""), {}, "--host nowhere.invalid", "error: [Errno -"),
        (("", ""), {}, "--nworkers", "error: Option '--nworkers' requires an argument"),
    ],
)
def test_a_worker_names_in_one_line_what_keeps_it_from_its_scheduler(
    cluster: Cluster,
    tmp_path: Path,
    change: tuple[str, str],
    environment: dict[str, str],
    options: str,
    line: str,
) -> None:
    port = cluster.address.rpartition(":")[2]
    address = cluster.address.replace(change[0].format(port=port), change[1])
    done = start_worker(tmp_path, environment, address, *options.split())
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    (said,) = [found for found in done.stderr.splitlines() if "fashionbench" in found[:12]]
    assert line in said


def test_a_port_where_something_else_listens_is_not_waited_for_without_end(tmp_path: Path) -> None:
    began = time.monotonic()
    with silent_server() as url:
        address = url.replace("http", "tcp")
        done = start_worker(tmp_path, {f"{COMM}TIMEOUTS__CONNECT": "3s"}, address)
    assert time.monotonic() - began < 30
    sign, error = done.stderr.splitlines()
    assert sign == f"still waiting for the Dask scheduler at {address}"
    assert "does not speak as a scheduler; its dashboard has another port); start one" in error


@pytest.mark.parametrize(
    "greeting", [b"SSH-2.0-OpenSSH_9.2\r\n" * 9, struct.pack("<QQ", 8, 0) + b"x" * 40]
)
def test_a_program_of_another_kind_is_told_by_what_it_says(tmp_path: Path, greeting: bytes) -> None:
    with greeting_server(greeting) as address:
        done = start_worker(tmp_path, {f"{COMM}TIMEOUTS__CONNECT": "3s"}, address)
    error = done.stderr.splitlines()[-1]
    assert "does not speak as a scheduler; its dashboard has another port); start one" in error
    assert "Traceback" not in done.stderr


def test_a_name_that_is_resolved_too_slowly_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: time.sleep(20))
    monkeypatch.setattr(scheduler, "PATIENCE_S", 0.1)
    began = time.monotonic()
    with pytest.raises(WorkerError, match=r"the name slow\.example was not resolved in 0\.1 sec"):
        scheduler.reach("tcp://slow.example:8786")
    assert time.monotonic() - began < 10


def test_a_port_where_nobody_listens_is_refused(tmp_path: Path) -> None:
    address = f"tcp://{HOST}:{free_port()}"
    done = start_worker(tmp_path, {f"{COMM}TIMEOUTS__CONNECT": "3s"}, address)
    (error,) = done.stderr.splitlines()
    # A busy machine may not even refuse in time.
    assert f"'{address}': no Dask scheduler answers (" in error
    assert "); start one with dask scheduler" in error


def test_a_stage_names_the_variable_and_what_is_there_instead(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"tcp://{HOST}:{free_port()}"
    cluster.start_worker(PROJECT, "--worker-port", address.rpartition(":")[2])
    cluster.wait_for_workers(1)
    for wrong, line in ((address, "a Worker is there instead"), (f" http://{HOST} ", "'http'")):
        monkeypatch.setenv(SCHEDULER_VARIABLE, wrong)
        named = f"^{SCHEDULER_VARIABLE} = {wrong.strip()}: .*{line}"
        with pytest.raises(WorkerError, match=named), open_workers(1):
            pass
