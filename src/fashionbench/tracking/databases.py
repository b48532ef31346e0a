"""Stores that MLflow uses without a server: whether they will do, and can be reached in time."""

import os
from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from fashionbench.errors import StoreError

_TIMEOUTS = {
    "postgresql": "connect_timeout",
    "mysql": "connect_timeout",
    "mssql": "timeout",
}
"""How each database's drivers call the seconds after which they give up."""

_NETWORK_DISKS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "fuse.sshfs")
"""As Linux names the file systems whose locks SQLite cannot rely on (sqlite.org/faq.html, 5)."""
_MOUNTS = Path("/proc/self/mounts")

_reached: set[str] = set()


def check_folder(uri: str) -> None:
    """Raise StoreError for the address of a folder, which MLflow keeps runs in no longer."""
    is_folder = uri.startswith(("file:", ".", "/", "~")) or uri == "mlruns"
    if is_folder and os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() not in ("true", "1"):
        raise StoreError(
            f"{uri} is a folder, and MLflow 3 keeps runs in databases; set MLFLOW_TRACKING_URI to "
            "one (sqlite:///mlflow.db) or to a server"
        )


def check_database(uri: str) -> None:
    """Raise an error of the driver unless the database of a URI can be connected to.

    MLflow itself would try ten times, for a minute and a half, and a driver waits without end. The
    variables that limit MLflow's waiting for a server limit this too. Does nothing for other
    stores, and once a database has answered.
    """
    kind = uri.partition(":")[0].partition("+")[0]
    if kind not in _TIMEOUTS or uri in _reached:
        return
    seconds = int(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"))
    tries = 1 + int(os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"))
    arguments = {_TIMEOUTS[kind]: seconds}
    engine = sqlalchemy.create_engine(uri, poolclass=NullPool, connect_args=arguments)
    for left in reversed(range(tries)):
        try:
            engine.connect().close()
        except SQLAlchemyError:
            if not left:
                raise
        else:
            _reached.add(uri)
            return


def network_file_system(file: Path, mounts: Path = _MOUNTS) -> str:
    """Return the kind of network disk that a file lies on; empty for a local one, or if unknown.

    ``mounts`` lists file systems as Linux does: see fstab(5).
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    # Later ones hide earlier ones, and the deepest folder is the one that holds the file.
    kinds = {
        Path(point.replace("\\040", " ")): kind for _, point, kind, *_ in map(str.split, lines)
    }
    above = next((folder for folder in file.resolve().parents if folder in kinds), None)
    kind = kinds[above] if above else ""
    return kind if kind in _NETWORK_DISKS else ""
