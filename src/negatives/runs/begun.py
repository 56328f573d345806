"""What a run was begun with, written beside its files, so that it goes on only as what it was."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from negatives.config import RunConfig, Values, load_config
from negatives.data.digest import digest
from negatives.errors import InputError
from negatives.tasks.base import Examples
from negatives.training.run_folder import BEGUN, CONFIG, MODEL, RunFolder, plain
from negatives.training.taken import tidy

FORMAT = "1.0"
"""Version of checkpoints and of what keys mean; a run goes on only under the one that it was begun under."""
FREE = ("data", "threads", "device", "budget", "baselines", "save_every", "log")
"""Keys of the configuration that may differ when a run goes on: of its place, its speed, and what stands beside it."""
ANEW = "choose another --out to train anew"


def begin(folder: RunFolder, config: RunConfig, examples: Examples[object]) -> None:
    """Write what a run is begun with, and last of all its configuration."""
    (folder.path / CONFIG).unlink(missing_ok=True)  # the two never differ
    folder.write_json(BEGUN, head() | {"config": config.given(), "data": digest(examples.data)})
    write_config(folder, config)


def write_config(folder: RunFolder, config: RunConfig) -> None:
    """Write a run's configuration, which names its data from the run's folder, so that both can be moved together.

    Where one of them lies elsewhere than below the current directory, the whole path stays.
    """
    values, here, own = config.given(), Path.cwd(), folder.path.absolute()
    data = values.get("data")
    if isinstance(data, str) and Path(data).is_relative_to(here) and own.is_relative_to(here):
        values["data"] = os.path.relpath(data, own)
    folder.write_toml(CONFIG, values)


def layer(out: Path) -> tuple[str, Values]:
    """The configuration of the run that is to go on, with its place.

    Raises:
        InputError: There is none that this version can go on with.
    """
    tidy(out)
    folder = RunFolder(out)
    folder.check_unfinished()
    return str(out / BEGUN), read(folder, "config", ANEW)["config"]


def check_config(folder: RunFolder, config: RunConfig) -> None:
    """Refuse to go on under another configuration.

    Args:
        folder: Of the run.
        config: What is asked for now.

    Raises:
        InputError: Names what differs.
    """
    before = read(folder, "config", ANEW)["config"]
    if one := differing(before, plain(config.given())):
        raise InputError(f"the run was begun with {one}", path=folder.path, hint=f"leave that out to go on, or {ANEW}")
    path = folder.path / CONFIG
    finishing = (folder.path / MODEL).exists()  # where a simple method was kept in the model's place
    if path.exists() and not finishing and (one := differing(before, plain(load_config(path)))):
        raise InputError(
            f"was changed; the run was begun with {one}", path=path, hint=f"change it back to go on, or {ANEW}"
        )


def check_data(folder: RunFolder, examples: Examples[object]) -> None:
    """Refuse to go on with other data.

    Raises:
        InputError: It differs from what the run was begun with.
    """
    if read(folder, "data", ANEW)["data"] != digest(examples.data):
        raise InputError(
            "the run was begun with other data", path=folder.path, hint=f"give that data to go on, or {ANEW}"
        )


def head() -> Values:
    """What every such file begins with."""
    return {"format": FORMAT, "negatives": importlib.metadata.version("negatives")}


def read(folder: RunFolder, key: str, anew: str) -> Values:
    """What was written, which must be of this version and of the command that wants to go on.

    Args:
        folder: Of the run.
        key: What the command writes.
        anew: How to begin anew.

    Raises:
        InputError: It is of neither.
    """
    path = folder.path / BEGUN
    if not path.exists():
        hint = f"go on with the version that it was begun with, or {anew}"
        raise InputError("was begun by an earlier version, or within a comparison", path=folder.path, hint=hint)
    found = folder.read_json(BEGUN)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        version = str(found.get("negatives", "of an earlier version")) if isinstance(found, dict) else "unknown"
        hint = f"go on with that version, or {anew}"
        raise InputError(f"was begun by negatives {version}, whose runs cannot go on here", path=folder.path, hint=hint)
    if key not in found or (key != "data" and not isinstance(found[key], dict)):
        raise InputError(f"was not begun by this command; it holds no {key!r}", path=path, hint=anew)
    return found


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first key under which two configurations differ, with both values; empty where none does."""
    was, asked = dict(_flat(before)), dict(_flat(now))
    for key in sorted(was.keys() | asked.keys()):
        if key.partition(".")[0] not in FREE and was.get(key) != asked.get(key):
            left, right = ("nothing" if one.get(key) is None else f"{one[key]}" for one in (was, asked))
            return f"another {key} ({left}, now {right})"
    return ""


def _flat(values: Mapping[str, Any], prefix: str = "") -> Sequence[tuple[str, Any]]:
    """Values by dotted key; a part's bare name stands where its table's would."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            part = not prefix and key in ("model", "loss", "sampler")
            found.append((f"{prefix}{key}.name" if part else f"{prefix}{key}", value))
    return found
