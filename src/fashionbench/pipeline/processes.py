"""Identifies a process across machines, containers and restarts.

A process number alone is given anew after a restart, and in containers it is always 1.
"""

import os
import socket
import subprocess
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN = "-"
_SEPARATOR = ","


@dataclass(frozen=True)
class Owner:
    """A process: its machine, that one's last start, its container, number and start.

    ``str`` makes a text of it that can be part of a file's name, and ``parse`` reads that.
    """

    host: str
    boot: str
    container: str
    number: int
    start: str

    @classmethod
    def current(cls) -> Self:
        """Describe the current process."""
        return cls._of(os.getpid())

    @classmethod
    def _of(cls, number: int) -> Self:
        return cls(socket.gethostname(), _boot(), _container(), number, _start(number))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what ``str`` wrote; None for anything else."""
        parts = text.split(_SEPARATOR)
        if len(parts) != 5 or not parts[3].isdecimal():
            return None
        return cls(parts[0], parts[1], parts[2], int(parts[3]), parts[4])

    def __str__(self) -> str:
        return _SEPARATOR.join(map(str, astuple(self)))

    def is_known_alive(self) -> bool:
        """Tell whether the process certainly runs on this machine, and is not this one."""
        now = self._of(self.number)
        return now == self and self.number != os.getpid() and is_alive(self.number)

    def is_known_dead(self) -> bool:
        """Tell whether the process certainly runs no longer. Of other machines nothing is known."""
        if self.host != socket.gethostname():
            return False
        if self.boot != _boot():
            return True
        if self.container != _container():
            return False
        if self.number == os.getpid():
            return self != self.current()
        return not self.is_known_alive()


def is_alive(process: int) -> bool:
    """Return whether a process with that id runs; a zombie, which has ended, does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Another user's.
        pass
    # The state follows the name, which is in parentheses and may hold any character (proc(5)).
    return _status(process)[:1] != ["Z"]


def _status(process: int) -> list[str]:
    """Return what Linux says of a process after its name, from field 3 on; nothing elsewhere."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return status.rpartition(")")[2].split()


def _boot() -> str:
    """Return what identifies the last start of the system; always the same where none is known."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return _UNKNOWN


def _container() -> str:
    """Return what identifies the processes that have numbers in common (pid_namespaces(7))."""
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return _UNKNOWN


def _start(number: int) -> str:
    """Return when a process began, in the system's own words; nothing for one that is gone."""
    if status := _status(number):
        return status[19]  # Field 22: clock ticks since the system started.
    command = ["ps", "-o", "lstart=", "-p", str(number)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return _UNKNOWN
    return "_".join(done.stdout.split())
