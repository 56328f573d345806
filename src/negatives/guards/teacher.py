"""A teacher's opinion: what it scores near the positive, or above, may be a right answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from negatives.control.base import Knob, value_of
from negatives.errors import ConfigError, InputError
from negatives.guards.base import Guard
from negatives.kernels.precision import in_float32
from negatives.types import Candidates, Catalogue, Context, moved, shared_pool

Score = Callable[[Tensor, Tensor], Tensor]
"""Takes queries ``(rows,)`` and items ``(rows, n)``, gives scores ``(rows, n)``."""


@dataclass(slots=True)
class Teacher(Guard):
    """Keep candidates that a teacher scores below the positive by more than a margin: ``t < t⁺ - margin``.

    The teacher is any function of queries and items, a cross-encoder for instance, or a file of vectors, compared by
    their cosine: the ``model.safetensors`` of another run, or any safetensors file with the tables ``queries`` and
    ``items`` over the same ids.

    Source: Solatorio, 2024, "GISTEmbed: guided in-sample selection of training negatives for text embedding
    fine-tuning", there with margin 0.

    Args:
        score: The teacher as a function.
        vectors: The teacher as a file; give one of the two.
        margin: In units of the teacher's score; a knob.

    Raises:
        ConfigError: Neither or both are given, or the tables are of other data.
        InputError: The file cannot be read or lacks a table.
    """

    score: Score | None = None
    vectors: str | None = None
    margin: Knob = 0.0
    _tables: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if (self.score is None) == (self.vectors is None):
            raise ConfigError("teacher needs one of score (a function) and vectors (a safetensors file)")

    def bind(self, catalogue: Catalogue) -> None:
        """Read the file, if there is one, and see that it speaks of this data."""
        if self.vectors is None:
            return
        self._tables = read_tables(Path(self.vectors))
        found = tuple(len(table) for table in self._tables)
        if found != (catalogue.n_queries, catalogue.n_items):
            raise ConfigError(
                f"teacher: {self.vectors} holds {found[0]} queries and {found[1]} items, the data "
                f"{catalogue.n_queries} and {catalogue.n_items}; train the teacher on the same data"
            )

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        limit = self._of(context.queries, context.positives[:, None]) - value_of(self.margin, context.progress)
        return self._of(context.queries, candidates.ids) < limit

    def _of(self, queries: Tensor, items: Tensor) -> Tensor:
        if self.score is not None:
            return self.score(queries, items)
        if self._tables is None:
            self._tables = moved(read_tables(Path(str(self.vectors))), queries.device)
        vectors, pool = self._tables[0][queries], shared_pool(items)
        with in_float32(vectors):
            if pool is not None:
                return vectors @ self._tables[1][pool].T
            return torch.einsum("rd,rkd->rk", vectors, self._tables[1][items])


def read_tables(path: Path) -> tuple[Tensor, Tensor]:
    """The tables ``queries`` and ``items`` of a safetensors file, rows at unit length.

    Raises:
        InputError: The file is missing, damaged, or lacks one of them, or one holds NaN.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tables = load_file(path)
    except FileNotFoundError:
        raise InputError("no such file", path=path, hint="give a safetensors file") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"not a safetensors file ({error})", path=path, hint="give another") from error
    for name in ("queries", "items"):
        if name not in tables:
            raise InputError(f"holds no table {name!r}", path=path, hint="give a run's model.safetensors")
        if not bool(tables[name].isfinite().all()):
            raise InputError(f"the table {name!r} holds NaN or infinity", path=path, hint="give another teacher")
    queries, items = (functional.normalize(tables[name].float(), dim=1) for name in ("queries", "items"))
    return queries, items
