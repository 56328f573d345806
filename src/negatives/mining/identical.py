"""Queries that are documents themselves: a text is never its own negative."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from negatives.data.retrieval import identical
from negatives.types import Csr, less, union


def own_documents(
    queries: Sequence[str], items: Sequence[str], positives: Csr, same_name: Iterable[tuple[str, str]] = ()
) -> Csr:
    """Documents that are the query itself and no known positive of it.

    Args:
        queries: Texts of the queries.
        items: Texts of the documents.
        positives: Known pairs.
        same_name: Texts of a query and a document of one name, for each such pair.

    >>> known = Csr.from_pairs(torch.tensor([0]), torch.tensor([1]), 2, 2)
    >>> own_documents(["a", "b"], ["b", "c"], known).row(1).tolist()
    [0]
    """
    by_text = identical([], queries, [], items)
    query_ids = {text: index for index, text in enumerate(queries)}
    item_ids = {text: index for index, text in enumerate(items)}
    pairs = [(query_ids[query], item_ids[item]) for query, item in same_name if query in query_ids]
    rows, cols = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
    return less(union([by_text, Csr.from_pairs(rows, cols, by_text.n_rows, by_text.n_cols)]), positives)
