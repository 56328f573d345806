"""Search by a graph over vectors, for very many of them: FAISS, an extra."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError, InputError
from negatives.training.files import write_bytes

FILE = "index.faiss"
LINKS, BUILDING, SEARCHING = 32, 80, 128
"""Links of each vector, and vectors that are looked at while the graph is built, and while it is searched."""


class Graph:
    """A hierarchical graph of near vectors, searched by inner product (Malkov and Yashunin, 2018).

    Args:
        index: FAISS's.
    """

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def of(cls, vectors: Tensor) -> Graph:
        """A graph over vectors ``(n, d)`` float32.

        Raises:
            ConfigError: FAISS is not installed.
        """
        faiss = _faiss()
        index = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILDING
        index.add(vectors.contiguous().numpy())
        return cls(index)

    @classmethod
    def read(cls, folder: Path) -> Graph | None:
        """The graph of a folder; None where there is none.

        Raises:
            InputError: The file is no graph.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            return cls(_faiss().read_index(str(path)))
        except RuntimeError as error:
            raise InputError("no index of FAISS", path=path, hint="make the index anew") from error

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        write_bytes(folder / FILE, _faiss().serialize_index(self._index).tobytes())

    def top(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor, None]:
        """Ids and inner products ``(n, k)`` of the nearest, best first, and None."""
        faiss, k = _faiss(), min(k, self._index.ntotal)
        how = faiss.SearchParametersHNSW(efSearch=max(SEARCHING, 2 * k))
        scores, ids = self._index.search(vectors.contiguous().numpy(), k, params=how)
        return torch.from_numpy(ids), torch.from_numpy(scores), None


def _faiss() -> Any:
    if importlib.util.find_spec("faiss") is None:
        raise ConfigError("approximate search needs the package faiss-cpu; run: pip install 'negatives[ann]'")
    return importlib.import_module("faiss")
