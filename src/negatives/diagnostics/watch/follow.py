"""Follows what a run writes: its histories line by line, and whether it still goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from negatives.diagnostics.record import is_line
from negatives.errors import InputError
from negatives.regular import TEXT, regular
from negatives.training.run_folder import BEGUN, COMPARE, CONFIG, HISTORY, LOCK, METRICS

try:
    import fcntl
except ImportError:  # not on Windows, where folders are not held
    fcntl = None  # type: ignore[assignment]

YOUNG = 2.0
"""Seconds for which a lock is taken as held without a look, so that looking never disturbs who is about to take it."""
FILES = (CONFIG, HISTORY, METRICS, COMPARE)
"""What a report is made of."""


@dataclass(slots=True)
class Read:
    """How far a file was read.

    Args:
        file: Device and number of the file, by which another one of the same name is told.
        offset: Bytes of whole lines.
    """

    file: tuple[int, int]
    offset: int = 0


@dataclass(slots=True)
class Follower:
    """Reads what the histories of a folder gain, never twice; begins anew when one is replaced or cut.

    While recipes race, their histories are followed; of a comparison, those of all its runs.

    Args:
        path: Folder of a run or of a comparison; it need not be there yet.
    """

    path: Path
    lines: list[Mapping[str, Any]] = field(default_factory=list, init=False)
    """Whole lines so far, in the order in which they were read; each names its ``run`` where several are followed."""
    generation: int = field(default=0, init=False)
    """Grows whenever :attr:`lines` begin anew."""
    _read: dict[Path, Read] = field(default_factory=dict, init=False, repr=False)

    def poll(self) -> None:
        """Read what is new."""
        folders = self.folders()
        found = {folder / HISTORY: _status(folder / HISTORY) for folder in folders}
        if any(not _goes_on(found.get(path), read) for path, read in self._read.items()):
            self.lines, self._read = [], {}
            self.generation += 1
        for path, status in found.items():
            if status is not None:
                self._gain(path, status, path.parent.name if len(folders) > 1 else None)

    def folders(self) -> list[Path]:
        """Folders whose histories tell the course: the run's own, else those of the recipes or runs below it."""
        if (self.path / HISTORY).exists():
            return [self.path]
        below = [*self.path.glob(f"race/*/{HISTORY}"), *self.path.glob(f"*/{HISTORY}")]
        return sorted(dict.fromkeys(found.parent for found in below))

    def begun(self) -> bool:
        """Whether a run or a comparison is here, at whatever stage."""
        return any((self.path / name).exists() for name in (*FILES, BEGUN, LOCK)) or bool(self.folders())

    def state(self) -> str:
        """``waiting``, ``running``, ``stopped`` or ``finished``."""
        if (self.path / METRICS).exists() or (self.path / COMPARE).exists():
            return "finished"
        if held(self.path) or held(self.path.parent):
            return "running"
        return "stopped" if self.lines or (self.path / CONFIG).exists() or (self.path / BEGUN).exists() else "waiting"

    def fingerprint(self) -> str:
        """Changes whenever something that a report shows does."""
        paths = [folder / name for folder in (self.path, *self.folders()) for name in FILES]
        found = [(str(path), _status(path)) for path in paths]
        return str(hash(tuple((path, one.st_size, one.st_mtime_ns) for path, one in found if one is not None)))

    def _gain(self, path: Path, status: os.stat_result, run: str | None) -> None:
        read = self._read.setdefault(path, Read(_file(status)))
        with path.open("rb") as file:
            file.seek(read.offset)
            gained = file.read()
        whole = gained[: gained.rfind(b"\n") + 1]
        read.offset += len(whole)
        for text in whole.splitlines():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if is_line(line):
                self.lines.append(line if run is None else line | {"run": run})


def held(folder: Path) -> bool:
    """Whether a process writes into a folder; where the system has no such locks, whether one said that it would."""
    lock = folder / LOCK
    try:
        age, handle = time.time() - lock.stat().st_mtime, os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        if fcntl is None or 0 <= age < YOUNG:
            return True
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return True
    finally:
        os.close(handle)


def _status(path: Path) -> os.stat_result | None:
    """Of a regular file of a sane size; None for all else."""
    try:
        return regular(path, TEXT).stat()
    except (OSError, InputError):
        return None


def _file(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _goes_on(status: os.stat_result | None, read: Read) -> bool:
    """Whether a file is the one that was read, and not cut."""
    return status is not None and _file(status) == read.file and status.st_size >= read.offset
