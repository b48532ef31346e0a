"""Downloads from real servers that are whole, away, silent, slow, or behind a proxy."""

import gzip
import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from servers import HOST, free_port, silent_server

from fashionbench.data import public_sources
from fashionbench.data.public_sources import download
from fashionbench.errors import DataError

CONTENT = gzip.compress(random.Random(0).randbytes(1 << 21), mtime=0)


class Handler(BaseHTTPRequestHandler):
    """Answers any GET, also one that is meant for another server; ``/short`` breaks off."""

    def do_GET(self) -> None:
        self.send_response(404 if self.path.endswith("/missing") else 200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:-1] if self.path.endswith("/short") else CONTENT)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def server() -> Iterator[str]:
    with HTTPServer((HOST, 0), Handler) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{found.server_port}"
        found.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask servers directly, whatever the shell of these tests says."""
    for name in [*os.environ]:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def test_a_file_is_saved_and_its_progress_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="fashionbench")
    with server() as address:
        download(f"{address}/images.gz", tmp_path / "images.gz")
    assert (tmp_path / "images.gz").read_bytes() == CONTENT
    told = [record.getMessage() for record in caplog.records]
    assert told[-1] == "images.gz: 2 of 2 MB"
    assert len(told) == 4


@pytest.mark.parametrize(
    ("path", "says"),
    [("missing", "404"), ("short", f"broke off after {len(CONTENT) - 1} of {len(CONTENT)}")],
)
def test_anything_less_is_refused(tmp_path: Path, path: str, says: str) -> None:
    with server() as address, pytest.raises(DataError, match=says):
        download(f"{address}/{path}", tmp_path / "images.gz")


def test_a_server_that_is_away_or_silent_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_sources, "TIMEOUT_S", 0.2)
    with silent_server() as silent, pytest.raises(DataError, match=f"{silent}/a was silent for"):
        download(f"{silent}/a", tmp_path / "a")
    with pytest.raises(DataError, match="refused"):
        download(f"http://{HOST}:{free_port()}/a", tmp_path / "a")


def test_a_server_that_trickles_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_sources, "LONGEST_S", -1.0)
    with server() as address, pytest.raises(DataError, match="takes more than"):
        download(f"{address}/a", tmp_path / "a")


def test_the_proxy_of_the_environment_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server() as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        download("http://example.invalid/images.gz", tmp_path / "images.gz")
    assert (tmp_path / "images.gz").read_bytes() == CONTENT


def test_the_next_mirror_is_asked_when_one_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(public_sources, "TIMEOUT_S", 0.2)
    with silent_server() as silent, server() as good:
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"{silent}/", f"{good}/"])
        known = [(name, md5(CONTENT).hexdigest()) for name, _ in FashionMNIST.resources]
        monkeypatch.setattr(FashionMNIST, "resources", known)
        public_sources.torchvision_archives("FashionMNIST", tmp_path)
    assert len(list(tmp_path.glob("*ubyte"))) == 4
