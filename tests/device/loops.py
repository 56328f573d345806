"""A loop of one's own on the device: every preset by the public door, with all that such a loop may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from life import CPU, Life
from torch import Tensor

import negatives
from negatives import Items, Stale, Vectors, losses
from negatives.models.factorization import MatrixFactorization
from negatives.sampler import Sampler, presets
from negatives.testing.problems import problem
from negatives.testing.samplers import FIELDS
from preset_cases import CASES_OF

PROBLEM, BATCH, LENGTH = problem(23), 6, 4
SEVENTH = torch.arange(PROBLEM.n_items) % 7 == 2
MOST = torch.arange(PROBLEM.n_items) % 4 > 0
Ask = Callable[[Tensor], object]
"""What the sampler is given for queries ``(batch, length)``."""


@dataclass(frozen=True, slots=True)
class Loop:
    """How a loop asks.

    Args:
        spec: The sampler.
        scorer: From the model to what the loop gives at each step.
        ids: What the loop has its ids and masks as.
        never: ``(n_items,)`` mask of items that are not drawn, or None.
        queries: Whether the loop has query ids.
    """

    spec: Any
    scorer: Callable[[MatrixFactorization], Ask]
    ids: Callable[[Tensor], Any] = lambda ids: ids
    never: Tensor | None = None
    queries: bool = True

    def step(self, made: Sampler, model: MatrixFactorization, ask: Ask, life: Life, step: int) -> None:
        """One step of the loop, on a device."""
        batch = PROBLEM.batch(BATCH * LENGTH, step)
        queries, positives = (life.on(ids.view(BATCH, LENGTH)) for ids in (batch.queries, batch.positives))
        mask = life.on(torch.arange(LENGTH) < 1 + torch.arange(BATCH)[:, None] % LENGTH)
        rows, gone = life.on(batch.examples[:BATCH]), None if self.never is None else self.ids(life.on(self.never))
        score = model.score(queries.flatten(), positives.flatten()).view(BATCH, LENGTH)
        users, items, given, examples = (self.ids(one) for one in (queries, positives, mask, rows))
        scorer = ask(queries)
        with life.watch(step - 1):
            made.never(gone)
            found = made(users if self.queries else None, items, scorer, mask=given, examples=examples)
            loss = losses.bpr(score, score[..., None].expand(-1, -1, found.k), found)
        for name in FIELDS:
            life.take(name, getattr(found, name))
        life.take("loss", loss)


def table(model: MatrixFactorization) -> Ask:
    """Vectors of the rows and a table of items."""
    return lambda queries: Vectors(model.encode_queries(queries), model.item_table)


def tower(model: MatrixFactorization) -> Callable[[Tensor], Tensor]:
    """A function from ids to vectors."""
    return lambda ids: model.item_table[ids].tanh()


def encoder(model: MatrixFactorization) -> Ask:
    """Vectors of the rows and an encoder of items."""
    return lambda queries: Vectors(model.encode_queries(queries), tower(model))


def cosine(model: MatrixFactorization) -> Ask:
    """The same by cosine, with a bias."""
    bias = model.item_table[:, 0]
    return lambda queries: Vectors(model.encode_queries(queries), tower(model), bias, "cosine")


def remembered(model: MatrixFactorization) -> Ask:
    """An encoder that is asked once for each item."""
    items = Items(tower(model))
    return lambda queries: Vectors(model.encode_queries(queries), items)


def stale(model: MatrixFactorization) -> Ask:
    """Vectors that are renewed a few at a time, and handed back."""
    items = Stale(tower(model), PROBLEM.n_items, share=0.3, device=model.item_table.device)

    def ask(queries: Tensor) -> Vectors:
        items.step()
        items.put(queries, model.encode_queries(queries))
        return Vectors(model.encode_queries(queries), items)

    return ask


def half(dtype: torch.dtype, model: MatrixFactorization) -> Ask:
    """Vectors of a loop in mixed precision."""
    return lambda queries: Vectors(model.encode_queries(queries).to(dtype), model.item_table.to(dtype))


class Towers(torch.nn.Module):
    """A module that encodes and does not score."""

    def __init__(self, model: MatrixFactorization) -> None:
        super().__init__()
        self.model = model

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.model.encode_queries(queries)

    def encode_items(self, items: Tensor) -> Tensor:
        return self.model.encode_items(items)


def module(model: MatrixFactorization) -> Ask:
    """A module that encodes queries and items."""
    towers = Towers(model)
    return lambda queries: towers


def whole(model: MatrixFactorization) -> Ask:
    """The model."""
    return lambda queries: model


def small(ids: Tensor) -> Any:
    """On the CPU, as the loader gave them."""
    return ids.cpu().int()


def array(ids: Tensor) -> Any:
    """NumPy."""
    return ids.cpu().numpy()


def spec(name: str) -> Mapping[str, Any]:
    return {"name": name, **CASES_OF[name]}


OF_MODEL = ("ance", "simans", "nv_retriever", "cluster", "matched", "adversarial_tree", "shortlist", "near_positive")
"""Presets that ask for queries outside the batch."""
CASES: dict[str, Loop] = {name: Loop(spec(name), whole if name in OF_MODEL else table) for name in presets} | {
    "dns with an encoder": Loop(spec("dns"), encoder),
    "dns by cosine": Loop(spec("dns"), cosine),
    "dns that remembers": Loop(spec("dns"), remembered),
    "dns of stale vectors": Loop(spec("dns"), stale),
    "dns of a module": Loop(spec("dns"), module),
    "dns of small ids": Loop(spec("dns"), encoder, small, SEVENTH),
    "dns of what is left": Loop(spec("dns"), table, never=MOST),
    "dns without queries": Loop({**spec("dns"), "guards": ["own_positive"]}, encoder, queries=False),
    "dns in bfloat16": Loop(spec("dns"), partial(half, torch.bfloat16)),
    "softmax in float16": Loop(spec("softmax"), partial(half, torch.float16)),
    "softmax of arrays": Loop(spec("softmax"), table, array),
    "softmax, not all": Loop(spec("softmax"), table, never=SEVENTH),
    "a softmax of a pool": Loop({"proposal": "uniform", "pool": 40, "select": "softmax"}, cosine),
    "in_batch, not all": Loop(spec("in_batch"), table, never=SEVENTH),
    "typed, not all": Loop(spec("typed"), whole, never=SEVENTH),
    "neighbourhood of what is left": Loop({"proposal": "neighbourhood", "candidates": 2}, whole, never=MOST),
}
"""Every preset, and all that a loop may have."""


def loop(case: Loop, life: Life) -> None:
    """Ask for negatives of padded sequences, some items never drawn, and take the loss of what comes.

    The sampler begins on the CPU; one that is made anew from its state goes on on the device, and a third on the CPU.
    """
    made: Sampler | None = None
    for step, device in enumerate((CPU, life.device, life.device, CPU)):
        if step != 2:  # from the other device, or the first
            before, model = made, PROBLEM.model().to(device)
            ask, made = case.scorer(model), negatives.sampler(case.spec, train=PROBLEM.catalogue, seed=1, total_steps=9)
            if before is not None:
                made.load_state(before.state())
        here = Life(device, life.log, life.given)
        case.step(made, model, ask, here, step)
