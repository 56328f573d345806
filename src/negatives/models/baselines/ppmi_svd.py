"""Word vectors by counting: the singular vectors of positive pointwise mutual information (Levy et al., 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.data.cooccurrence import Cooccurrence
from negatives.errors import ConfigError
from negatives.models.answers import Answers
from negatives.models.base import Model
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.propagation import Operator
from negatives.models.spectral import leading
from negatives.randomness import Purpose, generator, stream
from negatives.types import Csr

EMPTY = Cooccurrence(torch.empty(0, dtype=torch.int32), torch.empty(0, dtype=torch.int32), torch.empty(0), ())
"""No counts."""


class PpmiSvd(CountedModel):
    """``M_ab = max(0, log x_ab X / (x_a x_b^(c)) - log shift)``; the vectors are ``U S^p`` and ``V S^(1 - p)``.

    ``x_ab`` is how often the words stand near each other, ``x_b^(c)`` the share of a context smoothed by the power
    ``c``. Differs from the source in the counts: a pair at distance ``t`` counts ``1/t``, and no word is thinned out.

    Args:
        n_items: Number of words.
        cooccurrence: Counts of pairs of words that stand near each other.
        dim: Length of a vector.
        power: ``p``, power of the singular values in the words' vectors.
        smoothing: ``c``, power of the counts of contexts.
        shift: Negatives of skip-gram that the shift stands for.

    Raises:
        ConfigError: ``dim`` or ``shift`` is below 1.
    """

    feed = "corpus"
    association = True
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"power": (0.5, 0.0), "shift": (1.0, 5.0)}
    query_table: Tensor
    item_table: Tensor

    def __init__(
        self,
        n_items: int,
        cooccurrence: Cooccurrence,
        dim: int = 100,
        power: float = 0.5,
        smoothing: float = 0.75,
        shift: float = 1.0,
    ) -> None:
        super().__init__(n_items, n_items)
        if dim < 1 or shift < 1:
            raise ConfigError(f"dim is {dim} and shift {shift}; both must be at least 1")
        matrix = ppmi(cooccurrence, n_items, smoothing, shift)
        left, values, right = leading(matrix, dim, 16, 3, generator(stream(0, Purpose.INIT)))
        self.dim = values.numel()
        self.register_buffer("query_table", left * values.pow(power))
        self.register_buffer("item_table", right * values.pow(1 - power))

    def kept(self) -> dict[str, Any]:
        """The counts are in the vectors."""
        return {**super().kept(), "cooccurrence": EMPTY}

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 1e-5 * sizes.examples + 1e-3 * sizes.n_items

    def score_all(self, queries: Tensor) -> Tensor:
        return self.query_table[queries] @ self.item_table.T

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.query_table[queries]

    def encode_items(self, items: Tensor) -> Tensor:
        return self.item_table[items]

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        return Model.score(self, queries, items)

    def answers(self) -> Answers:
        return Model.answers(self)

    def vectors(self) -> dict[str, Tensor]:
        return Model.vectors(self)


def ppmi(found: Cooccurrence, n: int, smoothing: float = 0.75, shift: float = 1.0) -> Operator:
    """The matrix ``(n, n)`` of positive pointwise mutual information; only its positive cells are kept.

    Args:
        found: Cells ``a <= b`` of the symmetric table of counts.
        n: Number of words.
        smoothing: Power of the contexts' counts.
        shift: Its logarithm is taken off.
    """
    off = found.rows != found.cols
    rows = torch.cat([found.rows.long(), found.cols.long()[off]])
    cols = torch.cat([found.cols.long(), found.rows.long()[off]])
    counts = torch.cat([found.counts, found.counts[off]]).double()
    words = torch.zeros(n, dtype=torch.float64).index_add_(0, rows, counts)
    contexts = words.pow(smoothing)
    contexts = contexts / contexts.sum()
    values = (counts / words[rows] / contexts[cols]).log() - torch.tensor(float(shift)).log()
    kept = values > 0
    rows, cols, values = rows[kept], cols[kept], values[kept]
    order = (rows * n + cols).argsort()
    sets = Csr.from_pairs(rows, cols, n, n)
    return Operator.by_rows(sets.indptr, sets.indices, values[order].float(), n)
