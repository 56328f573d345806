"""What a model answers when it is used: the functions that evaluation asks, whatever the model is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from negatives import kernels


@dataclass(frozen=True, slots=True)
class Answers:
    """Scores on the CPU, float32 and without gradients.

    Args:
        every: Scores ``(rows, n_items)`` of queries ``(rows,)`` with all items.
        pairs: Scores ``(rows, k)`` of queries ``(rows,)`` with items ``(rows, k)``.
        back: Scores ``(rows, k)`` of queries ``(rows, k)`` with items ``(rows,)``, which are given first; the same
            function as ``pairs`` where a score is the same in both directions.
    """

    every: Callable[[Tensor], Tensor]
    pairs: Callable[[Tensor, Tensor], Tensor]
    back: Callable[[Tensor, Tensor], Tensor]


def answers_of_tables(queries: Tensor, items: Tensor) -> Answers:
    """Inner products of two tables.

    Args:
        queries: ``(n_queries, d)`` float32.
        items: ``(n_items, d)`` float32.

    >>> answers = answers_of_tables(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> answers.every(torch.tensor([1])).tolist(), answers.pairs(torch.tensor([0]), torch.tensor([[1]])).tolist()
    ([[2.0, 4.0]], [[3.0]])
    """
    columns = items.T.contiguous()

    def pairs(nodes: Tensor, others: Tensor) -> Tensor:
        return kernels.gather_scores(queries, items, nodes, others)

    def back(nodes: Tensor, others: Tensor) -> Tensor:
        return kernels.gather_scores(items, queries, nodes, others)

    same = queries.data_ptr() == items.data_ptr() or torch.equal(queries, items)
    return Answers(lambda some: queries[some] @ columns, pairs, pairs if same else back)


def answers_of_scores(score_all: Callable[[Tensor], Tensor], score: Callable[[Tensor, Tensor], Tensor]) -> Answers:
    """A model's own scores, where tables of all queries and items would be too large or do not exist.

    Args:
        score_all: Scores ``(rows, n_items)`` of queries ``(rows,)``.
        score: Scores ``(rows, k)`` of queries ``(rows,)`` with items ``(rows, k)``.
    """

    def back(items: Tensor, queries: Tensor) -> Tensor:
        each = items[:, None].expand_as(queries).reshape(-1, 1)
        return score(queries.reshape(-1), each).view(queries.shape)

    return Answers(score_all, score, back)


class Asked(Protocol):
    """A model that encodes a query when it is asked for."""

    def encode_queries(self, queries: Tensor) -> Tensor: ...
    def score(self, queries: Tensor, items: Tensor) -> Tensor: ...


def answers_of_encoder(model: Asked, items: Tensor) -> Answers:
    """Queries are encoded when they are asked for, where a table of all of them would serve nobody.

    Args:
        model: As it is used, refreshed.
        items: ``(n_items, d)`` float32 encodings of all items, where the model is.
    """
    device, columns = items.device, items.detach().T.contiguous()

    @torch.no_grad()
    def score_all(queries: Tensor) -> Tensor:
        return (model.encode_queries(queries.to(device)) @ columns).cpu()

    @torch.no_grad()
    def score(queries: Tensor, items: Tensor) -> Tensor:
        return model.score(queries.to(device), items.to(device)).cpu()

    return answers_of_scores(score_all, score)
