"""TF-IDF over character n-grams: two texts are alike that are spelt alike (Salton and Buckley, 1988)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.baselines.sparse import Matrix, dense_rows


class Tfidf(CountedModel):
    """``s(a, b) = cos(v_a, v_b)`` with ``v_t = n_t (1 + log((1 + N) / (1 + df_t)))`` over n-grams within words.

    Computed by scikit-learn, whose n-grams may begin or end with the blank beside a word.

    Args:
        queries: The texts of one side.
        documents: The texts of the other; frequencies are theirs.
        shortest: Characters of the shortest n-gram.
        longest: Characters of the longest.

    Raises:
        ConfigError: The lengths are no range, or scikit-learn is not installed.
    """

    packages: ClassVar[tuple[str, ...]] = ("sklearn",)
    extra: ClassVar[str] = "baselines"

    def __init__(self, queries: Sequence[str], documents: Sequence[str], shortest: int = 3, longest: int = 5) -> None:
        super().__init__(len(queries), len(documents))
        if not 1 <= shortest <= longest:
            raise ConfigError(f"n-grams have {shortest} to {longest} characters; give a range from 1 on")
        if lacking := self.missing():
            raise ConfigError(f"tfidf: {lacking}")
        from sklearn.feature_extraction.text import TfidfVectorizer

        weigh = TfidfVectorizer(analyzer="char_wb", ngram_range=(shortest, longest), dtype=np.float32)
        self._documents: Matrix = weigh.fit_transform(documents).tocsr()
        self._queries: Matrix = self._documents if queries == documents else weigh.transform(queries).tocsr()

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 2e-4 * (sizes.n_items + sizes.n_queries)

    def score_all(self, queries: Tensor) -> Tensor:
        return dense_rows(self._queries, queries, self._documents.T)

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """See :meth:`Model.score`; only the pairs asked for are multiplied."""
        if items.dim() == 1:
            return self.score(queries, items[:, None])[:, 0]
        left = self._queries[queries.repeat_interleave(items.shape[1]).numpy()]
        found = left.multiply(self._documents[items.reshape(-1).numpy()]).sum(1)
        return torch.from_numpy(np.asarray(found, np.float32)).view(items.shape)
