"""A weighted mixture of proposals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.control import build_part
from negatives.errors import ConfigError
from negatives.parameters import Range
from negatives.proposals.base import Proposal
from negatives.proposals.rejection import conditional_log_q, derived, pick
from negatives.proposals.seen_batch import next_due
from negatives.randomness import Purpose, stream, uniforms
from negatives.registry import Spec
from negatives.scoring import scores_of
from negatives.types import Catalogue, Context, Csr, Scorer, State

ROWS, DRAWS, EVERY = 64, 64, 64
"""Rows and draws of one look at the model, and the steps between two looks once the model moves slowly."""


@dataclass(slots=True)
class Mixed(Proposal):
    """Draw each item from one of several proposals, chosen by weight; ``log_q`` is that of the mixture.

    ``q(i) = sum_c w_c q_c(i)``; the share of a part that has no item for a query goes to the others. With items ``X``
    excluded, component ``c`` is chosen in proportion to
    ``w_c (1 - Q_c(X))`` and drawn conditionally, which gives exactly ``q(i) / sum_c w_c (1 - Q_c(X))``.

    With ``follow`` above zero the weights move towards the mixture that is nearest to the model's own softmax, in
    which a corrected softmax has the least variance: one step of expectation-maximisation at some steps,
    ``w_c <- (1 - f) w_c + f mean sum_j ω_j w_c q_c(i_j)/q(i_j)`` with ``ω ∝ e^{s_j}/q(i_j)`` over the draws of a few
    rows (of each rank); no weight falls below a tenth of an equal share, so that every item that could be drawn still
    can. After
    Cappé et al., Adaptive importance sampling in general mixture classes, Statistics and Computing 2008, there for one
    target; here the target differs by row and moves while the model learns.

    Source: Yang et al., 2020, "Mixed negative sampling for learning two-tower neural networks in
    recommendations", there with in-batch and uniform draws in fixed numbers; here the component is drawn anew for
    every slot, so that the mixture's ``log_q`` is exact.

    Args:
        parts: Proposals, or their names or mappings with ``name`` and parameters.
        weights: One positive number per part; equal when left out. They are normalised.
        follow: ``f``, share of the weights that is renewed at each look at the model; 0 keeps them as they are.

    Raises:
        ConfigError: No parts, or weights that do not fit, or ``follow`` is not from 0 to 1.

    >>> mix = Mixed(["uniform", {"name": "popularity", "alpha": 1.0}], [3, 1])
    >>> mix.bind(Catalogue(n_queries=1, n_items=2, counts=torch.tensor([0, 5])))
    >>> context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    >>> mix.log_prob(torch.tensor([[0, 1]]), context).exp()
    tensor([[0.3750, 0.6250]])
    """

    tunable: ClassVar[Mapping[str, Range]] = {"weights.0": Range(0.1, 10.0, relative=True)}
    parts: Sequence[Proposal | Spec]
    weights: Sequence[float] | None = None
    follow: float = 0.0
    _shares: list[float] = field(default_factory=list, init=False, repr=False)
    _due: int = field(default=0, init=False, repr=False)
    _kept: tuple[tuple[float, ...], Tensor] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from negatives.proposals import registry

        self.parts = [part if isinstance(part, Proposal) else build_part(registry, part) for part in self.parts]
        given = [1.0] * len(self.parts) if self.weights is None else [float(weight) for weight in self.weights]
        if not self.parts or len(given) != len(self.parts):
            raise ConfigError(f"mixed needs one weight per part, but has {len(self.parts)} parts, {len(given)} weights")
        if not all(math.isfinite(weight) and weight > 0 for weight in given):
            raise ConfigError(f"mixed: weights must be positive and finite, not {given}; leave unused parts out")
        if not 0.0 <= self.follow <= 1.0:
            raise ConfigError(f"mixed: follow is {self.follow}; it must be from 0 to 1")
        self._shares = [weight / sum(given) for weight in given]

    @property
    def proposals(self) -> list[Proposal]:
        """The parts, built."""
        return [part for part in self.parts if isinstance(part, Proposal)]

    @property
    def conditional(self) -> bool:
        """True when any part depends on the query."""
        return any(part.conditional for part in self.proposals)

    @property
    def needs_queries(self) -> bool:
        """True when any part does."""
        return any(part.needs_queries for part in self.proposals)

    @property
    def of_batch(self) -> bool:
        """True when any part's draws are of the batch."""
        return any(part.of_batch for part in self.proposals)

    @property
    def needs_scorer(self) -> bool:
        """True when the weights follow the model, or any part uses it."""
        return self.follow > 0.0 or any(part.needs_scorer for part in self.proposals)

    @property
    def shares(self) -> tuple[float, ...]:
        """The weights now, normalised."""
        return tuple(self._shares)

    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Let every part look at the model, each with a seed of its own: two of one kind draw other numbers."""
        for index, part in enumerate(self.proposals):
            part.refresh(replace(context, seed=derived(context.seed, index)), scorer)
        if self.follow > 0.0 and context.step >= self._due:
            self._due = next_due(context.step, EVERY)
            self._learn(context.take(torch.argsort(context.examples, stable=True)), scorer)

    def bind(self, catalogue: Catalogue) -> None:
        """Bind every part."""
        for part in self.proposals:
            part.bind(catalogue)

    def observe(self, context: Context) -> None:
        """Show the batch to every part."""
        for part in self.proposals:
            part.observe(context)

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        log_shares = self._log_shares(context)
        if exclude is not None:
            log_shares = log_shares + torch.stack([part.log_allowed(context, exclude) for part in self.proposals], 1)
        which = self._choose(log_shares, context, k, key)
        ids = torch.full((context.rows, k), -1, dtype=torch.int64, device=context.device)
        for index, part in enumerate(self.proposals):
            drawn, _ = part.draw(context, k, derived(key, index), exclude)
            ids = torch.where(which == index, drawn, ids)
        log_prob = self.log_prob(ids.clamp(min=0), context)
        log_rest = torch.zeros_like(log_shares[:, 0])
        if exclude is not None:
            log_rest = log_shares.logsumexp(1) - self._log_there(context)
        return ids, conditional_log_q(log_prob, log_rest, ids)

    def pool(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.pool`.

        A part that gives fewer than ``k`` items (in-batch, a small batch) repeats them, so that the shares stay those
        of the mixture.
        """
        one, slots = context.pooled(), torch.arange(k, device=context.device)
        context = context.take(torch.argsort(context.examples, stable=True))  # the order of rows must not tell
        pools = [part.pool(context, k, derived(key, index))[0] for index, part in enumerate(self.proposals)]
        log_shares = self._plain(context.device).clone()
        for index, pool in enumerate(pools):
            if not pool.numel():
                log_shares[index] = -torch.inf
        which = self._choose(log_shares[None], one, k, key)[0]
        ids = torch.full((k,), -1, dtype=torch.int64, device=context.device)
        for index, pool in enumerate(pools):
            if pool.numel():
                ids = torch.where(which == index, pool[slots % pool.numel()], ids)
        log_prob = self._joined(ids.clamp(min=0)[None], one, [None] * len(pools))
        return ids, torch.where(ids >= 0, log_prob[0], 0.0)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """``log sum_c w_c q_c(i)``, ``(rows, n)``."""
        joined = self._joined(ids, context, [part.empty(context) for part in self.proposals])
        return joined - self._log_there(context)[:, None]

    def empty(self, context: Context) -> Tensor | None:
        """See :meth:`Proposal.empty`; rows for which every part is empty."""
        found = [part.empty(context) for part in self.proposals]
        kept = [one for one in found if one is not None]
        return torch.stack(kept).all(0) if len(kept) == len(found) else None

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """``(rows,)``, ``log sum_c w_c (1 - Q_c(X))``."""
        logs = torch.stack([part.log_allowed(context, exclude) for part in self.proposals], 1)
        return (logs + self._log_shares(context)).logsumexp(1) - self._log_there(context)

    def state(self) -> State:
        """State of every part by its position, and the weights where they follow the model."""
        found: State = {str(index): part.state() for index, part in enumerate(self.proposals)}
        return found | {"shares": list(self._shares), "due": self._due} if self.follow > 0.0 else found

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave; a part that had nothing to remember may be missing."""
        for index, part in enumerate(self.proposals):
            part.load_state(state.get(str(index), {}))
        if self.follow > 0.0:
            self._shares, self._due = [float(one) for one in state["shares"]], int(state["due"])

    def _learn(self, context: Context, scorer: Scorer) -> None:
        """One step of expectation-maximisation towards the softmax of the rows' own scores."""
        seen = context.take(torch.arange(min(ROWS, context.rows), device=context.device))
        ids, log_q = self.draw(seen, DRAWS, stream(seen.seed, Purpose.MIXTURE, seen.step))
        there = ids >= 0
        scores = scores_of(scorer, seen, ids.clamp(min=0))
        target = (scores - log_q).masked_fill(~there, -torch.inf).softmax(1).nan_to_num(0.0)
        logs = torch.stack([part.log_prob(ids.clamp(min=0), seen) for part in self.proposals])
        shares = torch.tensor(self._shares, dtype=torch.float64)
        owned = shares * context.ranks.summed((target * (logs - log_q).exp()).double().sum((1, 2))).cpu()
        if float(owned.sum()) > 0.0:
            new = torch.lerp(shares, owned / owned.sum(), self.follow)
            kept = new.clamp(min=0.1 / len(self._shares))
            self._shares = (kept / kept.sum()).tolist()

    def _joined(self, ids: Tensor, context: Context, empty: Sequence[Tensor | None]) -> Tensor:
        """``log sum_c w_c q_c(i)`` ``(rows, n)`` over the parts that are not empty."""
        logs = []
        for part, share, gone in zip(self.proposals, self._shares, empty, strict=True):
            log_prob = part.log_prob(ids, context) + math.log(share)
            logs.append(log_prob if gone is None else log_prob.masked_fill(gone[:, None], -torch.inf))
        return torch.stack(logs).logsumexp(0)

    def _plain(self, device: torch.device) -> Tensor:
        """``log w_c``, ``(parts,)``; kept while the weights stay, for on a GPU each small operation is a launch."""
        shares = tuple(self._shares)
        if self._kept is None or self._kept[0] != shares or self._kept[1].device != device:
            each = [torch.full((), share, dtype=torch.float32, device=device) for share in shares]
            self._kept = shares, torch.stack(each).log()  # nothing is copied, for which the CPU would wait
        return self._kept[1]

    def _log_shares(self, context: Context) -> Tensor:
        """``log w_c`` ``(rows, parts)``, -inf where the part is empty."""
        shares = self._plain(context.device).expand(context.rows, -1)
        empty = [part.empty(context) for part in self.proposals]
        if all(one is None for one in empty):
            return shares
        nowhere = torch.zeros(context.rows, dtype=torch.bool, device=context.device)
        return shares.masked_fill(torch.stack([nowhere if one is None else one for one in empty], 1), -torch.inf)

    def _log_there(self, context: Context) -> Tensor:
        """``(rows,)``, log of the shares of the parts that are not empty; 0 where none is, or all are."""
        if all(part.empty(context) is None for part in self.proposals):
            return torch.zeros(context.rows, device=context.device)
        shares = self._log_shares(context)
        some = (shares == -torch.inf).any(1) & (shares > -torch.inf).any(1)
        return torch.where(some, shares.logsumexp(1), 0.0)

    def _choose(self, log_shares: Tensor, context: Context, k: int, key: int) -> Tensor:
        """Positions of the chosen parts ``(rows, k)``; -1 where every share is zero."""
        slots = torch.arange(k, device=context.device)
        chance = uniforms(stream(key, Purpose.MIXTURE), context.examples[:, None], slots)
        return pick(log_shares.double().exp(), chance)
