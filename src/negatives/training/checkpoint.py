"""Checkpoints: a nested state in one safetensors file, without pickle, written atomically.

Tensors are stored as they are. Everything else stands as JSON in the file's header, which keeps integers of any
size and every float exactly. A SHA-256 over both is checked on reading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from negatives.errors import InputError
from negatives.training.files import read_tensors, write_tensors
from negatives.training.trees import flattened, unflattened
from negatives.types import State, raw

FORMAT = "negatives-checkpoint-1"


def save(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a state: dictionaries with text keys, lists, tuples, tensors, numbers, text, booleans and None.

    Raises:
        TypeError: The state holds something else; names its place.
        OSError: The disk is full or the folder cannot be written; names the path.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(flattened(state, tensors, "state"))
    write_tensors(path, tensors, {"format": FORMAT, "tree": tree, "sha256": _digest(tree, tensors)})


def load(path: str | Path) -> State:
    """Read what :func:`save` wrote, tensors on the CPU.

    Raises:
        InputError: The file is missing, cut short, changed, or no checkpoint.
    """
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise InputError("not a checkpoint of this program", path=path, hint="give a file from checkpoints/")
    if _digest(metadata.get("tree", ""), tensors) != metadata.get("sha256"):
        raise InputError("its checksum is wrong", path=path, hint="delete it and resume from an earlier one")
    try:
        state: State = unflattened(json.loads(metadata["tree"]), tensors)
        if not isinstance(state, dict):
            raise TypeError("no dictionary")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError("holds no state", path=path, hint="delete it and resume from an earlier one") from error
    return state


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The newest checkpoints of one run.

    Args:
        folder: Where they lie; made on the first save.
        keep: How many of the newest stay.
    """

    folder: Path
    keep: int = 2

    def save(self, step: int, state: Mapping[str, Any]) -> Path:
        """Write the checkpoint of a step and drop those that are too old, and those of later steps.

        A later one is damaged: the training went on from one before it.

        Args:
            step: Steps done.
            state: See :func:`save`.
        """
        path = self.folder / f"step-{step:012d}.safetensors"
        save(path, state)
        found = self.newest_first()
        here = found.index(path)
        for other in found[:here] + found[here + self.keep :]:
            other.unlink(missing_ok=True)
        return path

    def latest(self) -> Path | None:
        """The newest checkpoint, or None."""
        return max(self._steps(), default=None)

    def newest_first(self) -> list[Path]:
        """All checkpoints."""
        return sorted(self._steps(), reverse=True)

    def _steps(self) -> Iterator[Path]:
        return self.folder.glob("step-*.safetensors")


def _digest(tree: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(tree.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(raw(tensor).data)
    return digest.hexdigest()
