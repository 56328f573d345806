"""BM25 over words: the first stage of most search engines (Robertson et al., 1994)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import polars as pl
import torch
from torch import Tensor

from negatives.data.bags import bags, vocabulary
from negatives.data.tokens import saturated
from negatives.errors import ConfigError
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.baselines.sparse import Matrix, dense_rows, matrix_of_features
from negatives.models.encoders.base import TextScorer


class Bm25(CountedModel, TextScorer):
    """``s(q, d) = sum over t in q of idf_t (k + 1) n_td / (n_td + k (1 - b + b L_d / mean L))``.

    ``idf_t = log(1 + (N - df_t + 1/2) / (df_t + 1/2))``, as Lucene has it, with the values of BEIR's runs. Words are
    runs of letters and digits in lower case; unlike there, none is stemmed or left out.

    Args:
        queries: Texts of the queries.
        documents: Texts of the documents.
        k: How slowly a repeated word counts for less; the paper's ``k_1``.
        b: How much long documents are damped.

    Raises:
        ConfigError: ``k`` is below 0 or ``b`` not from 0 to 1.
    """

    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"k": (0.9, 1.5, 3.0), "b": (0.4, 0.75, 0.2)}

    def __init__(self, queries: Sequence[str], documents: Sequence[str], k: float = 0.9, b: float = 0.4) -> None:
        super().__init__(len(queries), len(documents))
        if k < 0 or not 0 <= b <= 1:
            raise ConfigError(f"k is {k} and b {b}; k is at least 0, and b lies from 0 to 1")
        self._words = vocabulary(documents, 1)
        counts = bags(pl.Series(documents, dtype=pl.String), self._words)
        df = torch.bincount(counts.indices.long(), minlength=counts.n_cols).double()
        self._idf = torch.log1p((len(documents) - df + 0.5) / (df + 0.5)).float().numpy()
        self._documents: Matrix = matrix_of_features(saturated(counts, k, b)).T.tocsr()
        self._queries = queries

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 5e-4 * sizes.n_items

    def score_all(self, queries: Tensor) -> Tensor:
        return self.score_texts([self._queries[query] for query in queries.tolist()])

    def score_texts(self, texts: Sequence[str]) -> Tensor:
        return dense_rows(self._weighted(texts), torch.arange(len(texts)), self._documents)

    def _weighted(self, texts: Sequence[str]) -> Matrix:
        """How often each word stands in each text, times its idf."""
        found = matrix_of_features(bags(pl.Series(texts, dtype=pl.String), self._words))
        found.data = np.asarray(found.data * self._idf[found.indices], np.float32)
        return found
