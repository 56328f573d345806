"""BM25 over words: the first stage of most search engines (Robertson et al., 1994)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
import torch
from torch import Tensor

from negatives.data.bags import bags, vocabulary
from negatives.data.pairs import SparseFeatures
from negatives.data.tokens import lengths_of, saturated
from negatives.errors import ConfigError
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.baselines.sparse import Matrix, dense_rows, matrix_of_features
from negatives.models.encoders.base import TextCounter


@dataclass(frozen=True, slots=True)
class Counted:
    """How often words stand in documents.

    Args:
        words: The words, by column.
        bags: ``(n_documents, n_words)`` counts.
    """

    words: list[str]
    bags: SparseFeatures

    @classmethod
    def of(cls, documents: Sequence[str] | Mapping[str, Any]) -> Counted:
        """The words of documents, or what :meth:`Bm25.kept` kept of them."""
        if isinstance(documents, Mapping):
            return cls(list(documents["words"]), documents["bags"])
        words = vocabulary(documents, 1)
        return cls(words, bags(pl.Series(documents, dtype=pl.String), words))


class Bm25(CountedModel, TextCounter):
    """``s(q, d) = sum over t in q of idf_t (k + 1) n_td / (n_td + k (1 - b + b L_d / mean L))``.

    ``idf_t = log(1 + (N - df_t + 1/2) / (df_t + 1/2))``, as Lucene has it, with the values of BEIR's runs. Words are
    runs of letters and digits in lower case; unlike there, none is stemmed or left out.

    Args:
        queries: Texts of the queries.
        documents: Texts of the documents, or their words as they were kept.
        k: How slowly a repeated word counts for less; the paper's ``k_1``.
        b: How much long documents are damped.

    Raises:
        ConfigError: ``k`` is below 0 or ``b`` not from 0 to 1.
    """

    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"k": (0.9, 1.5, 3.0), "b": (0.4, 0.75, 0.2)}

    def __init__(
        self, queries: Sequence[str], documents: Sequence[str] | Mapping[str, Any], k: float = 0.9, b: float = 0.4
    ) -> None:
        self.counted = Counted.of(documents)
        counts, n_items = self.counted.bags, self.counted.bags.n_rows
        super().__init__(len(queries), n_items)
        if k < 0 or not 0 <= b <= 1:
            raise ConfigError(f"k is {k} and b {b}; k is at least 0, and b lies from 0 to 1")
        self._k, self._b = k, b
        df = torch.bincount(counts.indices.long(), minlength=counts.n_cols).double()
        self._idf = torch.log1p((n_items - df + 0.5) / (df + 0.5)).float().numpy()
        self._mean = float(lengths_of(counts).mean())
        self._documents: Matrix = self._saturated(counts).T.tocsr()
        self._queries = queries

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 5e-4 * sizes.n_items

    def score_all(self, queries: Tensor) -> Tensor:
        return self.score_texts([self._queries[query] for query in queries.tolist()])

    def score_texts(self, texts: Sequence[str]) -> Tensor:
        return dense_rows(self._weighted(texts), torch.arange(len(texts)), self._documents)

    def score_pairs(self, texts: Sequence[str], documents: Sequence[str]) -> Tensor:
        """See :meth:`TextScorer.score_pairs`; words that no document of its own holds count for nothing."""
        others = self._saturated(bags(pl.Series(documents, dtype=pl.String), self.counted.words))
        return torch.from_numpy(np.asarray(self._weighted(texts).multiply(others).sum(1), np.float32))

    def over(self, documents: Sequence[str]) -> Bm25:
        return Bm25([], documents, self._k, self._b)

    def again(self, facts: Mapping[str, Any]) -> Bm25:
        return Bm25([], facts["documents"], self._k, self._b)

    def kept(self) -> dict[str, Any]:
        """The counted words of its documents, and no queries."""
        counted = {"words": self.counted.words, "bags": self.counted.bags}
        return dict(self.given) | {"queries": [], "documents": counted}

    def _saturated(self, counts: SparseFeatures) -> Matrix:
        """What each word counts for in each document."""
        return matrix_of_features(saturated(counts, self._k, self._b, self._mean))

    def _weighted(self, texts: Sequence[str]) -> Matrix:
        """How often each word stands in each text, times its idf."""
        found = matrix_of_features(bags(pl.Series(texts, dtype=pl.String), self.counted.words))
        found.data = np.asarray(found.data * self._idf[found.indices], np.float32)
        return found
