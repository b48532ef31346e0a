"""Real servers, started and ended by tests: MLflow's, PostgreSQL's, and one that never answers."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from interruptions import wait_until
from repositories import Repository, environment

HOST = "127.0.0.1"
SERVE = "mlflow models serve -m models:/fashionbench@champion --env-manager local"
PASSWORD = "quiet-please"
CREDENTIALS = {"MLFLOW_TRACKING_USERNAME": "bench", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
"""The variables by which MLflow's clients say who they are."""
_ALONE = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""Keeps a server from starting seven more processes, for work that nothing here gives it."""

# Without the cache each request would cost the server a second, which is what a password's hash is.
_AUTHENTICATION = f"""
[mlflow]
default_permission = READ
database_uri = sqlite:///users.db
admin_username = bench
admin_password = {PASSWORD}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 3600
"""


def free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.create_server((HOST, 0)) as found:
        return int(found.getsockname()[1])


class TrackingServer:
    """``mlflow server``, with its artifacts served by itself, in processes of its own group.

    With ``has_users`` it serves those only who say who they are, which :data:`CREDENTIALS` does.
    """

    def __init__(self, folder: Path, store: str | None = None, *, has_users: bool = False) -> None:
        self._folder = folder
        self._store = store or f"sqlite:///{folder / 'served.db'}"
        self._has_users = has_users
        self._port = free_port()
        self.uri = f"http://{HOST}:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, where it was before, and wait until it answers."""
        command = ["mlflow", "server", "--host", HOST, "--port", str(self._port), "--workers", "1"]
        command += ["--backend-store-uri", self._store]
        command += ["--artifacts-destination", str(self._folder / "served")]
        env = environment() | _ALONE
        if self._has_users:
            command += ["--app-name", "basic-auth"]
            settings = self._folder / "auth.ini"
            settings.write_text(_AUTHENTICATION)
            env |= {
                "MLFLOW_AUTH_CONFIG_PATH": str(settings),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": PASSWORD,
            }
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: answers(f"{self.uri}/health"), seconds=120)

    def kill(self) -> None:
        """``kill -9`` of all its processes."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def tracking_server(
    folder: Path, store: str | None = None, *, has_users: bool = False
) -> Iterator[TrackingServer]:
    """Run a server in this block, unless that kills it."""
    folder.mkdir(exist_ok=True)
    server = TrackingServer(folder, store, has_users=has_users)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def without_models(uri: str) -> Iterator[str]:
    """Give the address of a server that is as those before 3.0 are: it knows no logged models.

    Everything else is passed on to the server at ``uri``.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/logged-models" in self.path:
                self.send_error(404)
                return
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
            request = Request(f"{uri}{self.path}", content or None, kind, method=self.command)
            try:
                answer = urlopen(request, timeout=60)
            except HTTPError as error:
                answer = error
            with answer:
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get_content_type())
                self.end_headers()
                self.wfile.write(answer.read())

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()


@contextmanager
def serving(repository: Repository, command: str, ping: str) -> Iterator[str]:
    """Give the address at which a command serves in this block, once it answers to ``ping``."""
    port = free_port()
    with (repository.path / ".dvc/tmp/serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*command.split(), "--port", str(port)],
            cwd=repository.path,
            env=repository.environment | _ALONE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers(f"http://{HOST}:{port}/{ping}"), seconds=120)
        yield f"http://{HOST}:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(address: str, content: Any) -> Any:
    """Send JSON to a server, and return the JSON that it answers."""
    headers = {"Content-Type": "application/json"}
    request = Request(address, json.dumps(content).encode(), headers)
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


def answers(address: str) -> bool:
    """Tell whether an HTTP server answers with status 200."""
    try:
        with urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@contextmanager
def silent_server() -> Iterator[str]:
    """Give the address of a server that takes connections and never answers."""
    with socket.create_server((HOST, 0)) as listening:
        yield f"http://{HOST}:{listening.getsockname()[1]}"


@contextmanager
def greeting_server(greeting: bytes) -> Iterator[str]:
    """Give the address of a server that speaks first, as other protocols do."""

    def greet() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                client.sendall(greeting)
                clients.append(client)

    clients: list[socket.socket] = []
    with socket.create_server((HOST, 0)) as listening:
        Thread(target=greet, daemon=True).start()
        yield f"tcp://{HOST}:{listening.getsockname()[1]}"
    for client in clients:
        client.close()


@contextmanager
def postgresql() -> Iterator[str]:
    """Give the address of an empty PostgreSQL database; skip the test where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    # Not in pytest's folder: the server refuses to be root's, and that folder is its user's alone.
    with TemporaryDirectory(prefix="fashionbench-postgresql-") as top:
        folder, port = Path(top), free_port()
        password = folder / "password"
        password.write_text(PASSWORD)
        user = []
        if os.getuid() == 0:
            for path in (folder, password):
                shutil.chown(path, "postgres", "postgres")
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

        def run(program: str, *arguments: str) -> None:
            command = [*user, str(found[-1].with_name(program)), "-D", str(folder / "data")]
            quiet = subprocess.DEVNULL
            subprocess.run([*command, *arguments], cwd=folder, check=True, stdout=quiet)

        run("initdb", "-U", "bench", f"--pwfile={password}", "-A", "scram-sha-256")
        options = f"-c listen_addresses={HOST} -p {port} -k {folder}"
        run("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", options)
        try:
            yield f"postgresql+psycopg2://bench:{PASSWORD}@{HOST}:{port}/postgres"
        finally:
            run("pg_ctl", "stop", "-w", "-m", "immediate")
