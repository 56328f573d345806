"""TF-IDF over character n-grams: two texts are alike that are spelt alike (Salton and Buckley, 1988)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.baselines.sparse import Matrix, dense_rows, matrix_of_features
from negatives.models.encoders.base import TextCounter


class Tfidf(CountedModel, TextCounter):
    """``s(a, b) = cos(v_a, v_b)`` with ``v_t = n_t (1 + log((1 + N) / (1 + df_t)))`` over n-grams within words.

    Computed by scikit-learn, whose n-grams may begin or end with the blank beside a word.

    Args:
        queries: The texts of one side.
        documents: The texts of the other, or what was kept of them; frequencies are theirs.
        shortest: Characters of the shortest n-gram.
        longest: Characters of the longest.

    Raises:
        ConfigError: The lengths are no range, or scikit-learn is not installed.
    """

    packages: ClassVar[tuple[str, ...]] = ("sklearn",)
    extra: ClassVar[str] = "baselines"

    def __init__(
        self,
        queries: Sequence[str],
        documents: Sequence[str] | Mapping[str, Any],
        shortest: int = 3,
        longest: int = 5,
    ) -> None:
        kept = documents if isinstance(documents, Mapping) else None
        super().__init__(len(queries), kept["weights"].n_rows if kept else len(documents))
        if not 1 <= shortest <= longest:
            raise ConfigError(f"n-grams have {shortest} to {longest} characters; give a range from 1 on")
        if lacking := self.missing():
            raise ConfigError(f"tfidf: {lacking}")
        from sklearn.feature_extraction.text import TfidfVectorizer

        words = list(kept["words"]) if kept else None
        weigh = TfidfVectorizer(analyzer="char_wb", ngram_range=(shortest, longest), dtype=np.float32, vocabulary=words)
        self._weigh, self._lengths = weigh, (shortest, longest)
        if kept:
            weigh.idf_ = kept["idf"].numpy()
            self._documents: Matrix = matrix_of_features(kept["weights"])
        else:
            self._documents = weigh.fit_transform(documents).tocsr()
        self._queries: Matrix = self._documents if queries == documents else self._weighed(queries)

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 2e-4 * (sizes.n_items + sizes.n_queries)

    def score_texts(self, texts: Sequence[str]) -> Tensor:
        return dense_rows(self._weighed(texts), torch.arange(len(texts)), self._documents.T)

    def score_pairs(self, texts: Sequence[str], documents: Sequence[str]) -> Tensor:
        """See :meth:`TextScorer.score_pairs`; frequencies are those of its own documents."""
        return _products(self._weighed(texts), self._weighed(documents))

    def over(self, documents: Sequence[str]) -> Tfidf:
        return Tfidf([], documents, *self._lengths)

    def again(self, facts: Mapping[str, Any]) -> Tfidf:
        return Tfidf([], facts["documents"], *self._lengths)

    def kept(self) -> dict[str, Any]:
        """The n-grams, their weights, and the weighted documents; no texts."""
        whole = self._documents
        starts, indices, values = (torch.from_numpy(one) for one in (whole.indptr, whole.indices, whole.data))
        weights = SparseFeatures(starts.long(), indices, values, whole.shape[1])
        found = {
            "words": list(self._weigh.get_feature_names_out()),
            "idf": torch.from_numpy(self._weigh.idf_),
            "weights": weights,
        }
        return dict(self.given) | {"queries": [], "documents": found}

    def _weighed(self, texts: Sequence[str]) -> Matrix:
        """Weighted n-grams ``(n, n_ngrams)`` of texts, at unit length."""
        if not len(texts):
            return sparse.csr_array((0, self._documents.shape[1]), dtype=np.float32)
        found: Matrix = self._weigh.transform(texts).tocsr()
        return found

    def score_all(self, queries: Tensor) -> Tensor:
        return dense_rows(self._queries, queries, self._documents.T)

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """See :meth:`Model.score`; only the pairs asked for are multiplied."""
        if items.dim() == 1:
            return self.score(queries, items[:, None])[:, 0]
        left = self._queries[queries.repeat_interleave(items.shape[1]).numpy()]
        return _products(left, self._documents[items.reshape(-1).numpy()]).view(items.shape)


def _products(left: Matrix, right: Matrix) -> Tensor:
    """Inner products ``(n,)`` of rows."""
    return torch.from_numpy(np.asarray(left.multiply(right).sum(1), np.float32).reshape(-1))
