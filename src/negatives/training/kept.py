"""What a finished run keeps so that it can be asked without its data: one safetensors file, read by memory map.

Beside what a checkpoint holds, it may hold sets per query, sparse features, sentences, texts and a tokenizer. Nothing
in it is code. Its tensors are views of the file: what is not asked for is not read.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from negatives.data.cooccurrence import Cooccurrence
from negatives.data.features import Feature, Features
from negatives.data.histories import Histories
from negatives.data.ngrams import Sentences
from negatives.data.pairs import SparseFeatures
from negatives.errors import InputError
from negatives.regular import regular
from negatives.training.files import write_tensors
from negatives.training.sound import ends_fit, sound
from negatives.training.trees import flattened, unflattened
from negatives.types import Csr, State

FORMAT = "negatives-kept-1"
"""Name of the format; a change that older code cannot read gets another number."""
TABLES: dict[str, Any] = {
    "sets": Csr,
    "histories": Histories,
    "features": SparseFeatures,
    "feature": Feature,
    "described": Features,
    "sentences": Sentences,
    "cooccurrence": Cooccurrence,
}
"""Classes whose fields are written one by one."""


class Texts(Sequence[str]):
    """Texts that lie one after another in a file; each is read when it is asked for.

    Args:
        whole: ``(bytes,)`` uint8, their UTF-8.
        ends: ``(n,)`` int64, where each ends.
    """

    def __init__(self, whole: Tensor, ends: Tensor) -> None:
        ends_fit(torch.nn.functional.pad(ends, (1, 0)), len(whole))
        self.whole, self.ends = whole.numpy(), ends.numpy()

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> list[str]: ...

    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        start = self.ends[at - 1] if at else 0
        text = self.whole[start : self.ends[at]].tobytes()
        try:
            return text.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # damaged
            return text.decode("utf-8", "replace")


def save(path: Path, values: Mapping[str, Any]) -> None:
    """Write values atomically.

    Raises:
        TypeError: They hold something that cannot be written; names its place.
        OSError: The disk is full or the folder cannot be written; names the path.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(flattened(values, tensors, "kept", _special))
    write_tensors(path, tensors, {"format": FORMAT, "tree": tree})


def read(path: Path) -> State:
    """Read what :func:`save` wrote; tensors are views of the file, on the CPU.

    Raises:
        InputError: The file is missing, damaged, or of another version.
    """
    tensors, metadata = mapped(path)
    if metadata.get("format") != FORMAT:
        hint = "train the run again, or use the version that wrote it"
        raise InputError(f"not in the format {FORMAT}", path=path, hint=hint)
    try:
        found: State = unflattened(json.loads(metadata["tree"]), tensors, _made)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, RecursionError) as error:
        raise InputError("damaged: its header does not fit its tensors", path=path, hint="train again") from error
    if not isinstance(found, dict):
        raise InputError("damaged: it holds no values by name", path=path, hint="train again")
    return found


def mapped(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors of a safetensors file as views of it, and its metadata.

    Raises:
        InputError: The file is missing, cut short, or no safetensors file.
    """
    if not path.exists():
        raise InputError("no such file", path=path, hint="finish the run, or train it again")
    try:
        with safe_open(regular(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError("cut short, or not a safetensors file", path=path, hint="train the run again") from error


def _special(value: Any) -> tuple[str, Any] | None:
    for name, kind in TABLES.items():
        if type(value) is kind:
            return name, {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if isinstance(value, pl.Series):
        return "series", _packed(value.cast(pl.String))
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return "texts", _packed(pl.Series(value, dtype=pl.String))
    if isinstance(value, Texts):
        return "texts", {"bytes": torch.from_numpy(value.whole), "ends": torch.from_numpy(value.ends)}
    if type(value).__module__.startswith("tokenizers"):
        return "tokenizer", value.to_str()
    return None


def _made(kind: str, of: Any) -> Any:
    if kind in TABLES:
        return sound(TABLES[kind](**of))
    if kind == "series":
        return pl.Series(list(Texts(of["bytes"], of["ends"])), dtype=pl.String)
    if kind == "texts":
        return Texts(of["bytes"], of["ends"])
    if kind == "tokenizer":
        from tokenizers import Tokenizer

        try:
            return Tokenizer.from_str(of)
        except BaseException as error:  # the package raises nothing narrower, and in a panic not even an Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            raise ValueError("no tokenizer") from error
    raise KeyError(kind)


def _packed(texts: pl.Series) -> dict[str, Tensor]:
    """UTF-8 one after another, and where each ends."""
    encoded = [(text or "").encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    whole = np.frombuffer(b"".join(encoded), np.uint8)
    return {"bytes": torch.from_numpy(whole.copy()), "ends": torch.from_numpy(ends)}
