"""The folder of a run: where its files lie, how they are written, and what they must not overwrite."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli_w
from torch import Tensor

from negatives.errors import InputError
from negatives.regular import TEXT, regular
from negatives.training import files

CONFIG = "config.toml"
METRICS = "metrics.json"
HISTORY = "history.jsonl"
MODEL = "model.safetensors"
IDS = "ids.parquet"
KEPT = "kept.safetensors"
SAMPLER = "sampler.safetensors"
CHECKPOINTS = "checkpoints"
REPORT = "report.html"
COMPARE = "compare.json"
BEGUN = "begun.json"
"""What a run or a comparison was begun with; the first file that is written."""
QUERIES = "per_query.parquet"
"""Test values of each query."""
LOCK = ".lock"
"""Held while a process writes into the folder."""
WRITTEN = (CHECKPOINTS, HISTORY, LOCK, "race")
"""What is written in place or below, rather than put in place of what is there."""


def plural(kind: str) -> str:
    """The name of a table of vectors in a run's files.

    >>> plural("query"), plural("item")
    ('queries', 'items')
    """
    return kind[:-1] + "ies" if kind.endswith("y") else kind + "s"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder. Nothing is created before the first write, so bad input leaves nothing behind.

    Args:
        path: The folder.
    """

    path: Path

    @staticmethod
    def new(task: str, data: str | None, sampler: str, root: str | Path = "runs") -> RunFolder:
        """An unused folder ``runs/<task>-<data>-<sampler>-<time>``."""
        source = "offline" if data is None else Path(data).name.split(".")[0] or "data"
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        stem = "-".join(re.sub(r"[^A-Za-z0-9_]+", "_", part) for part in (task, source, sampler)) + f"-{stamp}"
        path, count = Path(root) / stem, 1
        while path.exists():
            count += 1
            path = Path(root) / f"{stem}-{count}"
        return RunFolder(path)

    def check_free(self) -> None:
        """Make sure that a new run may be written here; creates nothing.

        Raises:
            InputError: The folder holds a run or something else, is a file, or cannot be written.
        """
        for name, what in ((COMPARE, "comparison"), (METRICS, "run")):
            if (self.path / name).exists():
                raise InputError(f"holds a finished {what} already", path=self.path, hint="choose another --out")
        if (self.path / CONFIG).exists() or (self.path / BEGUN).exists():
            raise InputError(
                "holds a run already", path=self.path, hint="add --resume to go on with it, or choose another --out"
            )
        if self.path.is_dir() and any(one.name != LOCK for one in self.path.iterdir()):
            raise InputError("holds other files", path=self.path, hint="choose another folder with --out")
        self._check_writable()

    def check_run(self) -> None:
        """Make sure that a run is here.

        Raises:
            InputError: There is no folder, or no run in it.
        """
        if not self.path.is_dir():
            raise InputError("no such run folder", path=self.path, hint="check the path")
        if not (self.path / CONFIG).exists():
            raise InputError(f"not a run folder; it has no {CONFIG}", path=self.path, hint="give a folder of train")
        regular(self.path / CONFIG, TEXT)

    def check_unfinished(self) -> None:
        """Make sure that a run is here which can go on.

        Raises:
            InputError: There is no run, or a finished one, which training anew would overwrite.
        """
        for name in WRITTEN:
            self.own(name)
        if not (self.path / BEGUN).exists():
            self.check_run()
        if (self.path / METRICS).exists():
            raise InputError("the run is finished", path=self.path, hint="choose another --out to train anew")

    def own(self, name: str) -> Path:
        """A folder or file in this one, where a command writes without being told to write elsewhere.

        Raises:
            InputError: It is a link, by which what is written would land outside.
        """
        path = self.path / name
        if path.is_symlink():
            raise InputError("is a link, and would be written through", path=path, hint="put what it leads to here")
        return path

    def _check_writable(self) -> None:
        nearest = self.path.absolute()
        while not nearest.exists():
            nearest = nearest.parent
        if not nearest.is_dir():
            raise InputError("is a file, not a folder", path=nearest, hint="choose another folder with --out")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise InputError("cannot be written", path=nearest, hint="choose another folder with --out")

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / CHECKPOINTS

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file; numbers that are not finite become null."""
        text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
        return self.write_text(name, text + "\n")

    def write_toml(self, name: str, values: Mapping[str, Any]) -> Path:
        """Write a TOML file; entries that are None are left out."""
        return self.write_text(name, tomli_w.dumps(_without_none(values)))

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file."""
        path = self.path / name
        files.write_bytes(path, text.encode("utf-8"))
        return path

    def write_tensors(
        self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
    ) -> Path:
        """Write a safetensors file."""
        path = self.path / name
        files.write_tensors(path, tensors, metadata)
        return path

    def read_json(self, name: str) -> Any:
        """Read a JSON file.

        Raises:
            InputError: The file is missing or not JSON.
        """
        path = self.path / name
        try:
            return json.loads(regular(path, TEXT).read_text(encoding="utf-8"))
        except RecursionError as error:
            raise InputError("its values are nested too deep", path=path, hint="train the run again") from error
        except OSError as error:
            raise InputError(error.strerror or str(error), path=path, hint="train the run to its end") from error
        except ValueError as error:
            raise InputError(f"not JSON: {error}", path=path, hint="train the run again") from error


def plain(value: Any) -> Any:
    """Only what JSON has: tensors and arrays become lists, paths text, NaN and infinity None.

    >>> plain({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def environment(threads: int | None = None) -> dict[str, Any]:
    """What the figures of a run depend on besides its configuration.

    Args:
        threads: Threads the run uses; None means all cores.
    """
    versions = {name: _version(name) for name in ("negatives", "torch", "numba", "numpy", "polars")}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "python": platform.python_version(),
        **versions,
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": cores,
        "threads": threads or cores,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(errors="replace"), re.MULTILINE)
        if found:
            return found.group(1).strip()
    return platform.processor() or platform.machine()


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, (list, tuple)) else value
